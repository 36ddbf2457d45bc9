"""The policies as a notifier needs them: the newest that can be used, and any other version that an event names."""

from collections import OrderedDict
from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import Message

from processor.kafka.clients import ClientSettings
from processor.kafka.policy_log import PolicyUnusable, UnknownVersion, latest_policies, policies_of, version_at
from processor.kafka.reading import place
from processor.kafka.serde import Serde
from processor.policies.policy import PolicySet

_log = structlog.get_logger(__name__)

_VERSIONS_KEPT = 4
"""Parsed, a version with a hundred thousand addresses takes tens of megabytes; events name the newest and a few before it."""
_KNOWN_TO_BE_GONE = 1000


class PublishedPolicies:
    """One set of policies in its topic. The newest stays what it was when a later one cannot be used."""

    def __init__(
        self,
        settings: ClientSettings,
        topic: str,
        serde: Serde,
        set_name: str,
        should_stop: Callable[[], bool],
        *,
        unusable: Callable[[], None] = lambda: None,
    ) -> None:
        """`unusable` hears of each version that comes and cannot be used."""
        self._settings = settings
        self._topic = topic
        self._serde = serde
        self._set_name = set_name
        self._should_stop = should_stop
        self._unusable = unusable
        self._newest = PolicySet()
        self._versions: OrderedDict[str, PolicySet] = OrderedDict()
        self._gone: dict[str, None] = {}

    @property
    def newest(self) -> PolicySet:
        """The newest version that can be used; the built-in policies where there is none."""
        return self._newest

    def begin(self) -> None:
        """Reads the newest there is. Raises as `latest_policies`."""
        found = latest_policies(self._settings, self._topic, self._serde, self._set_name, should_stop=self._should_stop)
        self._newest = found or PolicySet()

    def take(self, messages: Iterable[Message]) -> None:
        """Later records of the topic, in order."""
        for message in reversed(list(messages)):  # to parse what a later one replaces at once would be in vain
            found = self._usable(message)
            if found is not None:
                _log.info("policies taken up", version=found.version, instead_of=self._newest.version)
                self._newest = found
                return

    def version(self, version: str) -> PolicySet | None:
        """The policies of that version; None where it is not there (any more), cannot be used, or was never published.

        Reads it from the topic where it is not known. Raises BrokerUnreachable, ReadingStopped, ReadingFailed and those of
        a registry: then nobody knows, and to take other policies instead might tell the wrong people.
        """
        if version == self._newest.version:
            return self._newest
        if version in self._gone or not version.isdecimal():
            return None
        if version not in self._versions:
            found = self._read(version)
            if found is None:
                return None
            self._versions[version] = found
            if len(self._versions) > _VERSIONS_KEPT:
                self._versions.popitem(last=False)
        self._versions.move_to_end(version)
        return self._versions[version]

    def _read(self, version: str) -> PolicySet | None:
        try:
            return version_at(
                self._settings, self._topic, self._serde, self._set_name, version, should_stop=self._should_stop
            )
        except (UnknownVersion, PolicyUnusable) as problem:
            _log.error("the policies that an event names are not there; the newest ones hold", reason=str(problem))
            if len(self._gone) >= _KNOWN_TO_BE_GONE:
                self._gone.clear()
            self._gone[version] = None
            return None

    def _usable(self, message: Message) -> PolicySet | None:
        try:
            return policies_of(self._serde, self._set_name, message.key(), message.value(), place(message)[1])
        except PolicyUnusable as problem:
            _log.error(
                "a version of the policies cannot be used; the one before stays in force",
                version=problem.version,
                reason=problem.reason,
            )
            self._unusable()
            return None
