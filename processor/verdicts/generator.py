"""Traffic that looks like that of a mail organisation, for trials, the demo and benchmarks; a few accounts in it turn bad.

Every number of a record is a function of the seed and the record's place, by a counter-based generator (splitmix64, Steele,
Lea and Flood 2014): the same `Traffic` gives the same bytes however it is cut into batches, and nothing is remembered
between batches. The filter that it imitates is good but not perfect: it errs on honest mail, and misses some of a campaign's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from processor.types import Doubles, Int64s
from processor.verdicts import generated
from processor.verdicts.event import Verdict

_Bits = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000

_RHYTHM = (3, 2, 2, 2, 2, 4, 10, 30, 70, 95, 100, 95, 70, 85, 95, 95, 85, 60, 35, 22, 18, 14, 10, 6)
"""Mail by hour of the UTC day, on the scale of the busiest."""
_LATENESS = ((0.0, 0.70, 0.97, 0.999, 1.0), (0, 0, 2_000, 60_000, 600_000))
"""How long a filter held a verdict back, as quantiles in ms: most go out at once, a few wait for ten minutes."""
_TENANT_SKEW = 0.7

_VERDICTS = (Verdict.CLEAN, Verdict.BULK, Verdict.UNKNOWN, Verdict.SPAM, Verdict.HIGH_CONFIDENCE_SPAM, Verdict.PHISH,
             Verdict.HIGH_CONFIDENCE_PHISH, Verdict.MALWARE)  # fmt: skip
_HONEST = (0.984, 0.995, 0.9965, 0.9990, 0.9994, 0.9998, 0.9999)
_CAMPAIGN = (0.15, 0.16, 0.17, 0.62, 0.82, 0.93, 0.98)
"""Up to which part of all mail each verdict reaches, in the order of _VERDICTS; the last one takes the rest."""
_SCORES = {
    Verdict.CLEAN: (-2.0, 5.0), Verdict.BULK: (2.0, 6.0), Verdict.SPAM: (6.0, 15.0), Verdict.HIGH_CONFIDENCE_SPAM: (15.0, 40.0),
    Verdict.PHISH: (8.0, 20.0), Verdict.HIGH_CONFIDENCE_PHISH: (16.0, 40.0), Verdict.MALWARE: (12.0, 30.0),
}  # fmt: skip
_OFFICE_NETWORK = 0xCB007100  # 203.0.113.0/24, for documentation (RFC 5737)
_BOTNET = 0xC6120000  # 198.18.0.0/15, for benchmarks (RFC 2544)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to generate. Raises ValueError when it makes no sense.

    `skew` is the exponent of the senders' activity by rank (Zipf): 0 is even, at 1 the first of 10,000 sends a tenth of all.
    `records` fill the `hours` before `end_ms`; the order is that of arrival, and no event time is after `end_ms`.
    Each of `compromised` accounts starts a campaign in the middle half of that time, of `campaign_per_hour` mails, less where
    all campaigns together would be more than a fifth of the traffic.
    Two traffics that differ in records and times alone have the same accounts; where the places of their records, counted
    from `first_place`, do not overlap, they have no identifier in common.
    """

    records: int
    end_ms: int
    seed: int = 1
    senders: int = 10_000
    tenants: int = 200
    skew: float = 0.5
    compromised: int = 5
    hours: float = 24.0
    campaign_per_hour: float = 120.0
    first_place: int = 0

    def __post_init__(self) -> None:
        least_values = (
            ("records", 0), ("senders", 1), ("tenants", 1), ("skew", 0), ("compromised", 0), ("first_place", 0),
        )  # fmt: skip
        for name, least in least_values:
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more")
        if not 0 < self.hours <= 24 * 366 or not 0 <= self.skew <= 3:
            raise ValueError("hours must be more than 0 and at most a year, skew at most 3")
        if self.senders > 2**31 or self.tenants > 10**6:
            raise ValueError("senders must be at most 2^31 and tenants at most 1,000,000")
        if self.compromised > self.senders:
            raise ValueError("more accounts are compromised than there are senders")
        if self.end_ms < self.hours * _HOUR_MS + _LATENESS[1][-1]:
            raise ValueError("the traffic would begin before 1970")

    @property
    def start_ms(self) -> int:
        """When the traffic begins."""
        return self.end_ms - round(self.hours * _HOUR_MS)


@dataclass(frozen=True, slots=True)
class Compromised:
    """An account whose campaign starts at `from_ms`: the truth that a detector is measured against."""

    sender: str
    tenant_id: str
    from_ms: int


class Batch(NamedTuple):
    """Records in the order of arrival: keys are senders, values payloads."""

    keys: list[bytes]
    values: list[bytes]
    occurred_at_ms: Int64s


def generate(traffic: Traffic, prefix: bytes = b"", batch_records: int = 20_000) -> Iterator[Batch]:
    """All records in batches; each value is `prefix` (the framing that a serde gives, at most 16 bytes) and the Avro body."""
    world = _World(traffic)
    framing = np.frombuffer(prefix, np.uint8)
    out = np.zeros(batch_records * generated.ROW_MAX, np.uint8)
    places = generated.new_places(batch_records)
    for first in range(0, traffic.records, batch_records):
        rows = world.rows(first, min(batch_records, traffic.records - first))
        generated.write(rows, world.names, framing, out, places)
        end, sender_start, sender_end = (column[: rows.sender.size].tolist() for column in places)
        content = out[: end[-1]].tobytes()
        yield Batch(
            [content[at:to] for at, to in zip(sender_start, sender_end, strict=True)],
            [content[at:to] for at, to in pairwise([0, *end])],
            rows.occurred_at_ms,
        )


def compromised(traffic: Traffic) -> list[Compromised]:
    """Which accounts turn bad, and when; in the order of their start."""
    world = _World(traffic)
    accounts = [
        Compromised(generated.account(sender, tenant), generated.domain(tenant), from_ms)
        for sender, tenant, from_ms in zip(
            world.bad_sender.tolist(),
            world.tenant_of(world.bad_sender).tolist(),
            world.bad_from_ms.tolist(),
            strict=True,
        )
    ]
    return sorted(accounts, key=lambda account: account.from_ms)


class _World:
    """What is the same for all batches of one traffic: names, the day's rhythm, the campaigns."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.names = generated.names(traffic.tenants)
        self._keys = _mixed(
            np.arange(1, 17, dtype=np.uint64) * _GOLDEN + _mixed(np.array([traffic.seed % 2**64], np.uint64))
        )
        self._clock_ms, self._done = _rhythm(traffic)
        slots = np.arange(traffic.compromised, dtype=np.uint64)
        # One out of each of equal stretches of the ranks: never twice the same, and neither all busy nor all quiet.
        stretch = traffic.senders / max(traffic.compromised, 1)
        self.bad_sender = ((slots + self._part(0, slots)) * stretch).astype(np.int64)
        span_ms = traffic.end_ms - traffic.start_ms
        self.bad_from_ms = traffic.start_ms + ((0.25 + 0.5 * self._part(1, slots)) * span_ms).astype(np.int64)
        wanted = traffic.campaign_per_hour * traffic.hours / max(traffic.records, 1)
        self._campaign_part = min(wanted, 0.2 / max(traffic.compromised, 1))

    def rows(self, first: int, count: int) -> generated.Rows:
        """`count` records from the one with number `first` on."""
        traffic = self.traffic
        number = np.arange(first, first + count, dtype=np.uint64)
        place = number + np.uint64(traffic.first_place)
        arrived_ms = np.interp((number + self._part(2, place)) / traffic.records, self._done, self._clock_ms)
        occurred_at_ms = (arrived_ms - np.interp(self._part(3, place), *_LATENESS)).astype(np.int64)
        sender = _ranked(self._part(4, place), traffic.senders, traffic.skew)
        in_campaign = self._join_campaigns(place, occurred_at_ms, sender)
        verdict, score = self._judged(place, in_campaign)
        internal, external = self._recipients(place, in_campaign)
        return generated.Rows(
            event=self._bits(5, place),
            mail=self._bits(6, place),
            occurred_at_ms=occurred_at_ms,
            tenant=self.tenant_of(sender),
            sender=sender,
            client_ip=np.where(
                in_campaign,
                _BOTNET + (self._bits(7, place) >> np.uint64(47)).astype(np.int64),
                _OFFICE_NETWORK + (self._bits(8, sender.astype(np.uint64)) >> np.uint64(56)).astype(np.int64),
            ),
            internal_recipients=internal,
            external_recipients=external,
            verdict=verdict,
            score=score,
            score_bits=score.view(np.uint32),
        )

    def tenant_of(self, sender: Int64s) -> Int64s:
        """The tenant of each sender: some are much larger than others."""
        return _ranked(self._part(9, sender.astype(np.uint64)), self.traffic.tenants, _TENANT_SKEW)

    def _join_campaigns(self, place: _Bits, occurred_at_ms: Int64s, sender: Int64s) -> npt.NDArray[np.bool_]:
        """Puts compromised accounts in place of the senders of their campaigns' mails, and says which those are."""
        if self.traffic.compromised == 0:
            return np.zeros(sender.size, np.bool_)
        slot = (self._part(10, place) / self._campaign_part).astype(np.int64)
        known = np.minimum(slot, self.traffic.compromised - 1)
        joined = (slot < self.traffic.compromised) & (occurred_at_ms >= self.bad_from_ms[known])
        sender[joined] = self.bad_sender[known[joined]]
        return joined

    def _judged(self, place: _Bits, in_campaign: npt.NDArray[np.bool_]) -> tuple[Int64s, npt.NDArray[np.float32]]:
        lot = self._part(11, place)
        nth = np.where(
            in_campaign, np.searchsorted(_CAMPAIGN, lot, side="right"), np.searchsorted(_HONEST, lot, side="right")
        )
        verdict = np.array(_VERDICTS, np.int64)[nth]
        low = np.array([_SCORES.get(verdict, (np.nan, np.nan))[0] for verdict in Verdict])[verdict]
        high = np.array([_SCORES.get(verdict, (np.nan, np.nan))[1] for verdict in Verdict])[verdict]
        return verdict, np.round(low + (high - low) * self._part(12, place), 1).astype(np.float32)

    def _recipients(self, place: _Bits, in_campaign: npt.NDArray[np.bool_]) -> tuple[Int64s, Int64s]:
        """Honest mail goes to one person mostly, four mails in ten inside; a campaign's to up to 40 strangers."""
        lot = self._part(13, place)
        honest = np.interp(lot, (0, 0.75, 0.95, 1.0), (1, 1, 3.5, 12)).astype(np.int64)
        kind = self._part(14, place)
        internal = np.where(in_campaign | (kind >= 0.45), 0, np.where(kind < 0.38, honest, honest // 2))
        return internal, np.where(in_campaign, 1 + (lot * 40).astype(np.int64), honest - internal)

    def _bits(self, stream: int, place: _Bits) -> _Bits:
        """64 random bits for each place; every stream is a bijection of the places, so identifiers never repeat."""
        return _mixed(place * _GOLDEN + self._keys[stream])

    def _part(self, stream: int, place: _Bits) -> Doubles:
        """Uniform in [0, 1)."""
        return (self._bits(stream, place) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(bits: _Bits) -> _Bits:
    """Splitmix64's finaliser."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _ranked(part: Doubles, count: int, skew: float) -> Int64s:
    """A rank below `count` for each part, busier the lower: the inverse of a bounded Pareto distribution.

    It is Zipf's law without a table, so that the number of senders costs no memory.
    """
    if skew == 0:
        return (part * count).astype(np.int64)
    exponent = 1 - skew
    if exponent == 0:
        return _rank(np.exp(part * np.log(count + 1)), count)
    return _rank((1 + part * ((count + 1) ** exponent - 1)) ** (1 / exponent), count)


def _rank(place: Doubles, count: int) -> Int64s:
    """Whole ranks from 0 of places from 1; rounding must not lead past the last."""
    return np.minimum(place.astype(np.int64) - 1, count - 1)


def _rhythm(traffic: Traffic) -> tuple[Doubles, Doubles]:
    """Moments from start to end, about a minute apart, and which part of all mail has arrived by each."""
    moments = np.linspace(traffic.start_ms, traffic.end_ms, max(2, int(traffic.hours * 60) + 1))
    middle_h = (moments[:-1] + moments[1:]) / 2 / _HOUR_MS % 24
    weight = np.interp(middle_h, np.arange(25), [*_RHYTHM, _RHYTHM[0]]) * np.diff(moments)
    done = np.concatenate(([0.0], np.cumsum(weight) / weight.sum()))
    return moments, done
