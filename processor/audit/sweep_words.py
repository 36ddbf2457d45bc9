"""A sweep in words: which limit of which policy is tried, and what stays as it is."""

from collections.abc import Iterator

from processor.audit.sweep import Sweep
from processor.audit.words import name_of
from processor.policies.policy import DEFAULT_POLICY_NAME, PolicySet


def about(sweep: Sweep, policies: PolicySet, own: float | None) -> Iterator[str]:
    """What is tried, and where the policies have it now; `own` is None where they do not have this limit."""
    policy = "the default policy" if sweep.policy == DEFAULT_POLICY_NAME else f"policy {name_of(sweep.policy)}"
    yield f"{sweep.limit} of {policy}, all else as it is; " + ("now without" if own is None else f"now {value_of(own)}")
    others = len(policies.policies) - 1
    if others:
        yield (
            f"{others:,} other {'policy keeps its' if others == 1 else 'policies keep their'} own limits, also those that the file "
            "left to the default policy"
        )


def value_of(limit: float) -> str:
    """The value of a limit, all of it: of two that are tried, no two look alike."""
    return f"{limit:,.15g}"
