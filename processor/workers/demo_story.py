"""What happens in a demo: hours of honest mail at once, then live traffic in which a few accounts start to send spam."""

from dataclasses import dataclass

from processor.verdicts.generator import Traffic

HISTORY_HOURS = 6.0
HISTORY_RECORDS = 150_000
COMPROMISED = 5
_TENANTS = 300
_SKEW = 0.3
"""So even that no honest account comes near a limit by the mere speed of a demo, which puts an hour's mail into a minute."""
_LIVE_MAILS_AN_ACCOUNT = 3
_FEWEST_ACCOUNTS = 20_000
_MOST_ACCOUNTS = 5_000_000
_CAMPAIGN_MAILS = 130
"""Of an account that is compromised all the time, in a demo of up to a minute. The last campaign has a quarter of it: over
twice what the limit of 10 spam messages an hour lets pass. Most accounts are stopped within an eighth of the time."""
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Story:
    """`seconds` of live traffic, `rate` records each."""

    seconds: float
    rate: int
    seed: int

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return min(max(_FEWEST_ACCOUNTS, round(self.rate * self.seconds / _LIVE_MAILS_AN_ACCOUNT)), _MOST_ACCOUNTS)

    def history(self, end_ms: int) -> Traffic:
        """The honest mail of some hours up to `end_ms`."""
        return Traffic(
            records=HISTORY_RECORDS,
            end_ms=end_ms,
            seed=self.seed,
            senders=self.accounts,
            tenants=_TENANTS,
            skew=_SKEW,
            compromised=0,
            hours=HISTORY_HOURS,
        )

    def live(self, start_ms: int) -> Traffic:
        """The traffic from `start_ms` on, of the same accounts. The campaigns begin in the middle half of it."""
        return Traffic(
            records=round(self.rate * self.seconds),
            end_ms=start_ms + round(self.seconds * 1000),
            seed=self.seed,
            senders=self.accounts,
            tenants=_TENANTS,
            skew=_SKEW,
            compromised=COMPROMISED,
            hours=self.seconds / 3600,
            campaign_per_hour=_CAMPAIGN_MAILS / min(self.seconds, _MINUTE_S) * 3600,
            first_place=HISTORY_RECORDS,
        )
