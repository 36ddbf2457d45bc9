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
from processor.notification.language import BrokenLanguage
from processor.notification.ledger import LedgerRules
from processor.notification.outgoing import Outgoing
from processor.notification.rendering import BrokenTemplates, Surroundings
from processor.notification.schedule import Schedule
from processor.policies.policy import PolicySet
from processor.policies.recipients import Notify
from processor.settings import Settings
from processor.smtp import Outbox, Relay, SmtpOptions
from processor.telemetry import Health, Metrics
from processor.workers.composing import Composer
from processor.workers.desk import Desk
from processor.workers.mail_templates import load_templates
from processor.workers.notify import Notifier, NotifierRules
from processor.workers.policy_file import load
from processor.workers.postman import Carrier, Postman
from processor.workers.wiring import MetricsPortTaken, client_settings, group_name, serde, serve_health, topic_names

_log = structlog.get_logger(__name__)

FAILURES = (
    BrokenLanguage,
    BrokenTemplates,
    Fenced,
    MetricsPortTaken,
    ReadingFailed,
    RegistryAway,
    RegistryRefused,
    TransactionImpossible,
)
"""What ends a notifier until somebody mends it; the text says how."""


class CannotNotify(Exception):
    """Something that the notifier needs before it starts is missing or cannot be used; the text says what to do."""


def notify_until(
    settings: Settings,
    should_stop: Callable[[], bool],
    *,
    once: bool,
    schedule: Schedule | None = None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> int:
    """Run a notifier until `should_stop`, or with `once` up to the end as it is now. Returns how many mails are deferred.

    Raises CannotNotify, PolicyFileUnusable, BrokenTemplates, MetricsPortTaken, and what Notifier.run raises.
    """
    chosen = settings.notifier
    policies = PolicySet() if chosen.policies is None else load(chosen.policies)
    templates = load_templates()
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
        postman = Postman(_carrier(settings))
        open_things.callback(postman.close)
        outgoing = Outgoing(most=chosen.max_connections, most_per_domain=chosen.max_connections_per_domain)
        surroundings = Surroundings(chosen.sender_address, chosen.support_contact, chosen.console_url)
        composer = Composer(records, templates, surroundings, sender_name=chosen.sender_name)
        notifier = Notifier(
            rules=NotifierRules(
                ledger=LedgerRules(chosen.message_id_domain, schedule or Schedule()),
                operators=Notify(chosen.operators),
                once=once,
                shutdown_timeout_s=chosen.shutdown_timeout_s,
            ),
            desk=Desk(composer, postman, outgoing, metrics, once=once),
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


def _carrier(settings: Settings) -> Carrier:
    """The folder that takes mails, where one is set; else the mail server. Raises CannotNotify."""
    if settings.notifier.outbox is not None:
        try:
            return Outbox(settings.notifier.outbox)
        except OSError as problem:
            raise CannotNotify(f"cannot make the folder {settings.notifier.outbox}: {problem.strerror}") from problem
    chosen = settings.smtp
    options = SmtpOptions(
        host=chosen.host,
        port=chosen.port,
        tls=chosen.tls,
        user=chosen.user,
        password=chosen.password.get_secret_value() if chosen.password is not None else None,
        ca_file=chosen.ca_file,
        connect_timeout_s=chosen.connect_timeout_s,
        command_timeout_s=chosen.command_timeout_s,
        data_timeout_s=chosen.data_timeout_s,
    )
    try:
        return Relay(options)
    except OSError as problem:
        raise CannotNotify(f"smtp.ca_file: cannot use {chosen.ca_file}: {problem.strerror or problem}") from problem
