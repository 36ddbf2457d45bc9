"""`notify` put together from the settings."""

import time
from collections.abc import Callable
from contextlib import ExitStack

import structlog

from processor import __version__
from processor.kafka.clients import ClientSettings, check_reachable
from processor.kafka.ledger import LedgerTopic
from processor.kafka.membership import Membership
from processor.kafka.notifier_inputs import NotifierInputs
from processor.kafka.policies_now import PublishedPolicies
from processor.kafka.reading import ReadingFailed, partitions_of_each
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Fenced, TransactionImpossible, Transactions
from processor.notification.ledger import LedgerRules
from processor.notification.outgoing import Outgoing
from processor.notification.reachability import Reachability
from processor.notification.schedule import Schedule
from processor.policies.policy import PolicySet
from processor.policies.recipients import Notify
from processor.settings import Settings
from processor.telemetry import POLICIES_UNUSABLE, Health, Metrics
from processor.workers.audience import Audience, OnePolicySet
from processor.workers.carriers import CannotNotify, carrier_of
from processor.workers.composing import Composer
from processor.workers.desk import Desk
from processor.workers.ending import ending_in_time
from processor.workers.mail_writing import mail_writer
from processor.workers.notify import Notifier, NotifierRules
from processor.workers.policy_file import load
from processor.workers.postman import Postman
from processor.workers.wiring import MetricsPortTaken, client_settings, group_name, serde, serve_health, topic_names

_log = structlog.get_logger(__name__)

FAILURES = (
    Fenced,
    MetricsPortTaken,
    ReadingFailed,
    RegistryAway,
    RegistryRefused,
    TransactionImpossible,
)
"""What ends a notifier until somebody mends it; the text says how."""


def notify_until(
    settings: Settings,
    should_stop: Callable[[], bool],
    *,
    once: bool,
    schedule: Schedule | None = None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> int:
    """Run a notifier until `should_stop`, or with `once` up to the end as it is now. Returns how many mails are deferred.

    Raises CannotNotify, PolicyFileUnusable, what `mail_writer` raises, MetricsPortTaken, and what Notifier.run raises.
    """
    chosen = settings.notifier
    of_file = None if chosen.policies is None else load(chosen.policies)
    writer = mail_writer(chosen)
    kafka, names = client_settings(settings), topic_names(settings)
    group = group_name(settings, chosen.group)
    check_reachable(kafka)
    _check_topics(kafka, names)
    metrics = Metrics()
    health = Health(metrics)
    with ExitStack() as open_things:
        serve_health(settings, health, open_things)
        records = serde(settings, should_stop, open_things)
        published = None
        if of_file is None:
            published = PublishedPolicies(
                kafka,
                names.policies,
                records,
                settings.policies.set_name,
                should_stop,
                unusable=lambda: metrics.add(POLICIES_UNUSABLE),
            )
        inputs = NotifierInputs(
            kafka,
            restricted_topic=names.restricted,
            policies_topic=names.policies,
            policies=published,
            should_stop=should_stop,
        )
        open_things.callback(inputs.close)
        postman = Postman(carrier_of(settings))
        open_things.callback(postman.close)
        schedule = schedule or Schedule()
        outgoing = Outgoing(most=chosen.max_connections, most_per_domain=chosen.max_connections_per_domain)
        reachability = Reachability(most=chosen.max_connections, probe_every_ms=schedule.probe_every_ms)
        notifier = Notifier(
            rules=NotifierRules(
                ledger=LedgerRules(chosen.message_id_domain, schedule),
                once=once,
                shutdown_timeout_s=chosen.shutdown_timeout_s,
            ),
            desk=Desk(Composer(records, writer), postman, outgoing, reachability, metrics, once=once),
            serde=records,
            ledger_topic=LedgerTopic(kafka, names.notifications, records),
            membership=lambda owner: Membership(kafka, names.restrictions, group=group, slot=chosen.slot, owner=owner),
            transactions=lambda membership: Transactions(kafka, membership, slot=chosen.slot, group=group),
            inputs=inputs,
            audience=Audience(published or OnePolicySet(of_file or PolicySet()), Notify(chosen.operators)),
            metrics=metrics,
            health=health,
            should_stop=should_stop,
            now_ms=now_ms,
            clock=kafka.clock,
            ending=ending_in_time,
        )
        source = names.policies if of_file is None else of_file.version
        _log.info("notifying", version=__version__, policies=source, group=group, slot=chosen.slot)
        _warn_of_defaults(settings)
        health.set_live(True)
        return notifier.run()


def _check_topics(kafka: ClientSettings, names: TopicNames) -> None:
    """Raises UnknownTopic, and CannotNotify where the ledger's partitions do not suffice."""
    partitions = partitions_of_each(kafka, (names.restrictions, names.notifications, names.restricted, names.policies))
    missing = set(partitions[names.restrictions]) - set(partitions[names.notifications])
    if missing:
        raise CannotNotify(
            f"{names.notifications} needs at least as many partitions as {names.restrictions}: it lacks {sorted(missing)}"
        )


def _warn_of_defaults(settings: Settings) -> None:
    """What has no good default: who is told when a filter goes wrong, and what a mail says of its operator."""
    chosen = settings.notifier
    if not chosen.operators:
        _log.warning(
            "nobody will be told when the brake holds blocks back: name operators", setting="notifier.operators"
        )
    for name in ("sender_address", "message_id_domain", "support_contact") if chosen.outbox is None else ():
        if name not in chosen.model_fields_set:
            _log.warning("a setting that real mails need is not set", setting=f"notifier.{name}")
