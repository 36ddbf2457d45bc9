"""What is different between two sets of policies, field by field, as people want to read it before they put one in force."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from processor.policies.content import policy_document, scope_document
from processor.policies.policy import Policy, PolicySet
from processor.policies.problems import shown

_NAMED = 5
"""Of a long list, so many are named."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a comparison: `+` for what comes, `-` for what goes, `~` for what has another value."""

    sign: str
    subject: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.subject}: {self.detail}" if self.detail else f"{self.sign} {self.subject}"


def differences(old: PolicySet, new: PolicySet) -> list[Difference]:
    """What makes `new` out of `old`. None exactly when both mean the same, whatever their versions are."""
    return [
        *_fields("default", policy_document(old.policies[-1]), policy_document(new.policies[-1])),
        *_policies(old, new),
        *_order(old, new),
        *_groups(old.groups, new.groups),
        *_contacts(old.contacts, new.contacts),
        *_value("brake_blocks", "", old.brake_blocks, new.brake_blocks),
    ]


def _policies(old: PolicySet, new: PolicySet) -> Iterator[Difference]:
    before, after = ({policy.name: policy for policy in each.policies[:-1]} for each in (old, new))
    for name in [*after, *(name for name in before if name not in after)]:
        subject = f'policy "{shown(name)}"'
        if name not in after:
            yield Difference("-", subject)
        elif name not in before:
            yield Difference("+", subject, "; ".join(_said_by(after[name], new.policies[-1])))
        elif before[name] != after[name]:
            yield from _fields(subject, _document(before[name]), _document(after[name]))


def _document(policy: Policy) -> dict[str, Any]:
    return {**scope_document(policy), **policy_document(policy)}


def _said_by(policy: Policy, default: Policy) -> Iterator[str]:
    """What a new policy says: to whom it applies, and where it differs from the default one."""
    usual = _flat(policy_document(default))
    for field, value in _flat(_document(policy)).items():
        if field not in usual or usual[field] != value:
            yield f"{field} {_said(value)}"


def _fields(subject: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = _flat(old), _flat(new)
    for field in dict.fromkeys([*before, *after]):
        one, other = before.get(field), after.get(field)
        if field.endswith(".include_subdomains"):
            yield from _value(subject, field, one is None, other is None)
        elif field.startswith(("conditions.", "exceptions.")):
            yield from _members(f"{subject}: {field}", "", one or (), other or ())
        else:
            yield from _value(subject, field, one, other)


def _value(subject: str, field: str, old: Any, new: Any) -> Iterator[Difference]:
    if old != new:
        yield Difference("~", subject, f"{field} {_said(old)} -> {_said(new)}".lstrip())


def _groups(old: Mapping[str, Collection[str]], new: Mapping[str, Collection[str]]) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        subject = f'group "{shown(name)}"'
        if name not in new:
            yield Difference("-", subject)
        elif name not in old:
            yield Difference("+", subject, f"{_count(len(new[name]), 'sender')}: {_said(sorted(new[name]))}")
        else:
            yield from _members(subject, "sender", old[name], new[name])


def _members(subject: str, what: str, old: Collection[str], new: Collection[str]) -> Iterator[Difference]:
    come, gone = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    if come:
        yield Difference("+", subject, f"{_count(len(come), what)} added: {_said(come)}")
    if gone:
        yield Difference("-", subject, f"{len(gone)} of {_count(len(old), what)} removed: {_said(gone)}")


def _contacts(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> Iterator[Difference]:
    for tenant in sorted(old.keys() | new.keys()):
        subject = f'contacts of "{shown(tenant)}"'
        if tenant not in new:
            yield Difference("-", subject)
        elif tenant not in old:
            yield Difference("+", subject, _said(new[tenant]))
        else:
            yield from _value(subject, "", old[tenant], new[tenant])


def _order(old: PolicySet, new: PolicySet) -> Iterator[Difference]:
    """Where policies of one priority, which are tried as the file has them, stand in another order."""
    before, after = ({policy.name: policy.priority for policy in each.policies[:-1]} for each in (old, new))
    for priority in dict.fromkeys(after.values()):
        stay = [name for name, its in after.items() if its == priority == before.get(name)]
        stood = [name for name, its in before.items() if its == priority == after.get(name)]
        if stay != stood:
            yield Difference("~", f"order within priority {priority}", f"{_said(stood)} -> {_said(stay)}")


def _flat(document: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in document.items():
        found |= _flat(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if what else str(number)


def _said(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        names = [shown(name) for name in value[:_NAMED]]
        more = len(value) - _NAMED
        return ", ".join([*names, *([f"and {more} more"] if more > 0 else [])]) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else shown(str(value))
