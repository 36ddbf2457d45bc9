"""The versions of one set of policies, as the settings say where they are: what the command line asks about and adds to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from processor.kafka import policy_log
from processor.kafka.clients import ClientSettings, check_reachable
from processor.kafka.policy_log import PublishedVersion, UnusableVersion
from processor.kafka.serde import Serde
from processor.policies.differences import Difference, differences
from processor.policies.policy import PolicySet
from processor.settings import Settings
from processor.workers.wiring import client_settings, serde, topic_names


class PolicyVersions:
    """Reads and publishes the versions of a set. Every method raises what its counterpart in processor.kafka.policy_log raises."""

    def __init__(
        self, kafka: ClientSettings, topic: str, records: Serde, set_name: str, should_stop: Callable[[], bool]
    ) -> None:
        self.set_name = set_name
        self._kafka = kafka
        self._topic = topic
        self._records = records
        self._should_stop = should_stop

    def latest(self) -> PublishedVersion | None:
        """The version in force; None where the built-in policies are."""
        return policy_log.latest_version(
            self._kafka, self._topic, self._records, self.set_name, should_stop=self._should_stop
        )

    def in_force(self) -> PolicySet:
        """The policies in force, if need be the built-in ones."""
        latest = self.latest()
        return PolicySet() if latest is None else latest.policies

    def at(self, version: str) -> PolicySet:
        """The policies of one version."""
        return policy_log.version_at(
            self._kafka, self._topic, self._records, self.set_name, version, should_stop=self._should_stop
        )

    def history(self) -> Iterator[tuple[PublishedVersion | UnusableVersion, list[Difference]]]:
        """Every version in order, with what it changed: of the built-in policies, for the first."""
        before = PolicySet()
        for each in policy_log.read_versions(
            self._kafka, self._topic, self._records, self.set_name, should_stop=self._should_stop
        ):
            if isinstance(each, UnusableVersion):
                yield each, []
            else:
                yield each, differences(before, each.policies)
                before = each.policies

    def publish(self, policies: PolicySet, *, published_by: str, comment: str | None) -> str:
        """Make these policies the next version; its number."""
        return policy_log.publish(
            self._kafka,
            self._topic,
            self._records,
            self.set_name,
            policies,
            published_by=published_by,
            comment=comment,
        )


@contextmanager
def policy_versions(settings: Settings, should_stop: Callable[[], bool]) -> Iterator[PolicyVersions]:
    """The versions of the set that the settings name, once a broker has answered. Raises BrokerUnreachable."""
    with ExitStack() as open_things:
        kafka = client_settings(settings)
        check_reachable(kafka)
        records = serde(settings, should_stop, open_things)
        topic = topic_names(settings).policies
        yield PolicyVersions(kafka, topic, records, settings.policies.set_name, should_stop)
