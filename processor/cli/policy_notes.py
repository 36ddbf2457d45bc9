"""What is valid in a policy file and probably not meant: it would do nothing, and nobody would be told."""

from collections.abc import Iterable, Iterator

from processor import resources
from processor.policies.policy import PolicySet
from processor.policies.problems import shown

_SHOWN_MAX = 20
"""A list of a hundred thousand patterns is one thing to mend."""


def notes(policies: PolicySet) -> Iterator[str]:
    """A line each. Names are compared as they stand here, so a pattern among them matches nobody."""
    scopes = [scope for policy in policies.policies for scope in (policy.conditions, policy.exceptions)]
    for group in sorted(policies.groups.keys() - {name for scope in scopes for name in scope.groups}):
        yield f'note: no policy names the group "{shown(group)}"'
    senders = frozenset[str]().union(*(scope.senders for scope in scopes), *policies.groups.values())
    for name in _first(name for name in senders if "*" in name or name.startswith("@")):
        yield f'note: the sender "{shown(name)}" is that one name, no pattern: for whole domains there is sender_domains'
    tenants = frozenset[str]().union(*(scope.tenants for scope in scopes))
    for name in _first(name for name in tenants if "*" in name):
        yield f'note: the tenant "{shown(name)}" is that one name, no pattern'
    for language in sorted({policy.notify.language for policy in policies.policies}):
        if not {language, language.partition("-")[0]} & _languages():
            yield (
                f'note: the language "{shown(language)}" is none of {", ".join(sorted(_languages()))}: mails are in '
                "English where notifier.templates has no such folder"
            )


def _first(names: Iterable[str]) -> list[str]:
    return sorted(names)[:_SHOWN_MAX]


def _languages() -> set[str]:
    """Those that come with senderwatch."""
    return {file.parent.name for file in resources.folder("templates").glob("*/language.toml")}
