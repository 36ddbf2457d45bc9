"""Hypothesis strategies for logs of verdicts and for policies, made to run into limits, pane ends and midnights often."""

from hypothesis import strategies as st

from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Conditions, Policy, PolicySet
from processor.verdicts.event import MessageVerdict, Verdict

PANE, HOUR, DAY = 300_000, 3_600_000, 86_400_000
START_MS = 20_000 * DAY + 23 * HOUR
SENDERS = ("ann@a.test", "bob@a.test", "cy@b.test", "a-sender-with-a-name-of-more-than-sixteen-bytes@c.test")
TENANTS = ("a.test", "b.test")

_steps = st.one_of(
    st.integers(0, 2_000),
    st.integers(-2 * PANE, 2 * PANE),
    st.integers(-HOUR, HOUR),
    st.sampled_from([PANE, HOUR - PANE, HOUR, DAY - HOUR, DAY, DAY + PANE, 2 * DAY, 31 * DAY, -DAY, -DAY - PANE]),
)
_steps = st.one_of(st.integers(0, 2_000), _steps)


@st.composite
def logs(draw: st.DrawFn, max_size: int = 120) -> list[MessageVerdict]:
    """A log of one partition in offset order: event times wander, mostly forwards."""
    at = START_MS
    log = []
    for i in range(draw(st.integers(1, max_size))):
        at = max(0, at + draw(_steps))
        sender = draw(st.sampled_from(SENDERS))
        log.append(
            MessageVerdict(
                event_id=f"e{i}",
                occurred_at_ms=at,
                tenant_id=draw(st.sampled_from(TENANTS)),
                sender=sender,
                internal_recipients=draw(st.integers(0, 3)),
                external_recipients=draw(st.integers(0, 6)),
                verdict=draw(st.sampled_from([Verdict.CLEAN, Verdict.SPAM, Verdict.BULK, Verdict.MALWARE])),
                message_id=draw(st.sampled_from([None, f"<{i}@a.test>"])),
            )
        )
    return log


def _limits() -> st.SearchStrategy[dict[str, float | None]]:
    return st.fixed_dictionaries(
        {
            limit.name: st.one_of(st.none(), st.sampled_from([25.0, 33.3, 50.0, 99.0]))
            if limit.percent
            else st.one_of(st.none(), st.integers(0, 12).map(float))
            for limit in LIMITS
        }
    )


_SCOPES = {
    "senders": st.sampled_from(SENDERS),
    "sender_domains": st.sampled_from(["a.test", "b.test", "test"]),
    "tenants": st.sampled_from(TENANTS),
    "groups": st.sampled_from(["some"]),
}


@st.composite
def _conditions(draw: st.DrawFn, fewest: int) -> Conditions:
    kinds = draw(st.lists(st.sampled_from(sorted(_SCOPES)), min_size=fewest, max_size=2, unique=True))
    given = {kind: draw(st.frozensets(_SCOPES[kind], min_size=1, max_size=2)) for kind in kinds}
    return Conditions(**given, include_subdomains=draw(st.booleans()))


def _policies(name: str) -> st.SearchStrategy[Policy]:
    return st.builds(
        Policy,
        name=st.just(name),
        limits=_limits(),
        spam_percent_min_messages=st.integers(1, 5),
        action=st.sampled_from(Action),
        bulk_is_spam=st.booleans(),
        unblocks_without_support=st.integers(0, 2),
        conditions=st.just(Conditions()) if name == "default" else _conditions(1),
        exceptions=st.just(Conditions()) if name == "default" else _conditions(0),
    )


@st.composite
def policy_sets(draw: st.DrawFn) -> PolicySet:
    """Up to three policies with low limits, any action and any scope, and a brake that sometimes holds."""
    names = [*(f"p{number}" for number in range(draw(st.integers(0, 2)))), "default"]
    return PolicySet(
        policies=tuple(draw(_policies(name)) for name in names),
        version="v1",
        brake_blocks=draw(st.sampled_from([1, 2, 3, 100])),
        groups={"some": frozenset(SENDERS[:2])},
    )


def cuts(size: int) -> st.SearchStrategy[list[int]]:
    """Ways to cut a log of `size` records into consecutive batches: the ends, the last one `size`."""
    return st.lists(st.integers(1, max(1, size - 1)), max_size=8).map(lambda at: [*sorted(set(at)), size])
