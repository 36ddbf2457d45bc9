"""A sweep: one limit of one policy at many values, everything else as it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from processor.policies.limits import LIMITS
from processor.policies.policy import DEFAULT_POLICY_NAME, Policy, PolicySet
from processor.policies.problems import shown

VALUES_MAX = 100
"""Each value is an engine of its own with counters of its own."""
_LIMITS = {limit.name: limit for limit in LIMITS}
_TOO_MANY = f"more than {VALUES_MAX} values at once: take larger steps"
_FORM = "[POLICY/]LIMIT=VALUES, with values such as 5..50:5 or 5,10,20"


class SweepError(ValueError):
    """What is wrong with a sweep, in words for whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Which limit of which policy, and the values to try, ascending."""

    policy: str
    limit: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        return self.limit if self.policy == DEFAULT_POLICY_NAME else f"{self.policy}/{self.limit}"

    def tried_on(self, policies: PolicySet) -> list[PolicySet]:
        """The policies with each of the values. Raises SweepError when there is no such policy."""
        names = [policy.name for policy in policies.policies]
        if self.policy not in names:
            raise SweepError(
                f"there is no policy {shown(self.policy)}; there are: {', '.join(shown(name) for name in names)}"
            )
        return [self._with(policies, value) for value in self.values]

    def own_value(self, policies: PolicySet) -> float | None:
        """What the limit is in the policies themselves."""
        return policies.named(self.policy).limits[self.limit]

    def _with(self, policies: PolicySet, value: float) -> PolicySet:
        def changed(policy: Policy) -> Policy:
            if policy.name != self.policy:
                return policy
            return replace(policy, limits={**policy.limits, self.limit: value})

        if self.own_value(policies) == value:
            return policies
        # Its own version: events that other limits decided must not claim to be decided by the policies as they are.
        version = f"{policies.version} with {self} = {value:.15g}"
        return replace(policies, policies=tuple(map(changed, policies.policies)), version=version)


def parse(text: str) -> Sweep:
    """A sweep as people write it: `[POLICY/]LIMIT=VALUES`. Raises SweepError."""
    target, equals, values = text.rpartition("=")
    policy, slash, limit = target.rpartition("/")
    if not equals or (slash and not policy):
        raise SweepError(f"expected {_FORM}")
    if limit not in _LIMITS:
        raise SweepError(f"{shown(limit) or 'nothing'} is no limit; the limits are: {', '.join(_LIMITS)}")
    return Sweep(policy or DEFAULT_POLICY_NAME, limit, _values(values, percent=_LIMITS[limit].percent))


def _values(text: str, *, percent: bool) -> tuple[float, ...]:
    values: set[Decimal] = set()
    for part in text.split(","):
        values.update(_range(part))
        if len(values) > VALUES_MAX:
            raise SweepError(_TOO_MANY)
    highest = 100 if percent else None
    for value in values:
        if value < 0 or (highest is not None and value > highest):
            raise SweepError(f"{value} cannot be a limit: expected " + ("0 to 100" if percent else "0 or more"))
    return tuple(float(value) for value in sorted(values))


def _range(text: str) -> Sequence[Decimal]:
    """`5`, `5..50`, or `5..50:5`; both ends are tried where the steps meet them."""
    first_to_last, colon, step_text = text.partition(":")
    first_text, dots, last_text = first_to_last.partition("..")
    if not dots:
        if colon:
            raise SweepError(f"{shown(text)}: a step goes with a range; expected {_FORM}")
        return [_number(first_text)]
    first, last, step = _number(first_text), _number(last_text), _number(step_text) if colon else Decimal(1)
    if last < first:
        raise SweepError(f"{shown(text)}: expected the lower value first")
    if step <= 0:
        raise SweepError(f"{shown(text)}: expected a step above 0")
    if (last - first) / step >= VALUES_MAX:
        larger = ((last - first) / (VALUES_MAX - 1)).to_integral_value(ROUND_CEILING)
        raise SweepError(f"{_TOO_MANY}, such as {first_text.strip()}..{last_text.strip()}:{larger}")
    return [first + number * step for number in range(int((last - first) / step) + 1)]


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise SweepError(f"{shown(text) or 'nothing'} is no number; expected {_FORM}") from None
    if not number.is_finite() or abs(number) > 10**15:
        raise SweepError(f"{shown(text)} cannot be a limit")
    return number
