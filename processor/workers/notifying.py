"""`notify` put together from the settings."""

import time
from collections.abc import Callable
from contextlib import ExitStack

import structlog

from processor import __version__
from processor.kafka.clients import check_reachable
from processor.kafka.ledger import LedgerTopic
from processor.kafka.membership import Membership
from processor.kafka.reading import ReadingFailed, partitions_of_each
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.kafka.transactions import Fenced, TransactionImpossible, Transactions
from processor.notification.ledger import LedgerRules
from processor.notification.outgoing import Outgoing
from processor.notification.schedule import Schedule
from processor.policies.policy import PolicySet
from processor.policies.recipients import Notify
from processor.settings import Settings
from processor.telemetry import Health, Metrics
from processor.workers.carriers import CannotNotify, carrier_of
from processor.workers.composing import Composer
from processor.workers.desk import Desk
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
    policies = PolicySet() if chosen.policies is None else load(chosen.policies)
    writer = mail_writer(chosen)
    kafka, names = client_settings(settings), topic_names(settings)
    group = group_name(settings, chosen.group)
    check_reachable(kafka)
    partitions = partitions_of_each(kafka, (names.restrictions, names.notifications))
    missing = set(partitions[names.restrictions]) - set(partitions[names.notifications])
    if missing:
        raise CannotNotify(
            f"{names.notifications} needs at least as many partitions as {names.restrictions}: it lacks {sorted(missing)}"
        )
    metrics = Metrics()
    health = Health(metrics)
    with ExitStack() as open_things:
        serve_health(settings, health, open_things)
        records = serde(settings, should_stop, open_things)
        postman = Postman(carrier_of(settings))
        open_things.callback(postman.close)
        outgoing = Outgoing(most=chosen.max_connections, most_per_domain=chosen.max_connections_per_domain)
        notifier = Notifier(
            rules=NotifierRules(
                ledger=LedgerRules(chosen.message_id_domain, schedule or Schedule()),
                operators=Notify(chosen.operators),
                once=once,
                shutdown_timeout_s=chosen.shutdown_timeout_s,
            ),
            desk=Desk(Composer(records, writer), postman, outgoing, metrics, once=once),
            serde=records,
            ledger_topic=LedgerTopic(kafka, names.notifications, records),
            membership=lambda owner: Membership(kafka, names.restrictions, group=group, slot=chosen.slot, owner=owner),
            transactions=lambda membership: Transactions(kafka, membership.client, slot=chosen.slot, group=group),
            notify_for=policies.notify_for,
            metrics=metrics,
            health=health,
            should_stop=should_stop,
            now_ms=now_ms,
        )
        _log.info("notifying", version=__version__, policies=policies.version, group=group, slot=chosen.slot)
        if chosen.outbox is None:
            _warn_of_defaults(settings)
        health.set_live(True)
        return notifier.run()


def _warn_of_defaults(settings: Settings) -> None:
    """What a mail says of its operator has no good default."""
    for name in ("sender_address", "message_id_domain", "support_contact"):
        if name not in settings.notifier.model_fields_set:
            _log.warning("a setting that real mails need is not set", setting=f"notifier.{name}")
