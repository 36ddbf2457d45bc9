"""What-if on a range of the topics carried out: read it with a bar, then tell what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processor.audit.replay import Fault
from processor.audit.words import said
from processor.cli import what_if_records as records
from processor.cli import what_if_words as words
from processor.cli.audit_lines import fault_line
from processor.cli.common import EXIT_FAILED, EXIT_OK, CommandFailed
from processor.cli.pinned_range import Asked, bar_over_partitions, pinned_log
from processor.cli.replaying import EXIT_INCOMPLETE
from processor.cli.restricted_table import count
from processor.cli.signals import Stop
from processor.cli.what_if_output import Named, swept_sets
from processor.cli.what_if_telling import ReadLog, Telling, tell_compared, tell_swept, tell_tried
from processor.detection.engine import TableFull
from processor.kafka.audit_source import Pins
from processor.policies.policy import PolicySet
from processor.restrictions.events import Position
from processor.settings import Settings
from processor.workers.retrying import RetrialOptions, Tried, newest_policies, retry
from processor.workers.wiring import topic_names

HISTORY = "the policies in force"
"""What the output calls those that the workers decided by, each for as long as it was the newest."""
NEWEST = "the newest policies"
_FAULTS_MAX = 20


@dataclass(frozen=True, slots=True)
class TopicRange:
    """What to read, and how."""

    settings: Settings
    asked: Asked
    jobs: int = 1
    pins: Path | None = None
    save_pins: Path | None = None


def compared_on_topics(part: TopicRange, ours: Named, others: Named | None, telling: Telling) -> int:
    """Policies beside others or, without any, beside the history; the exit status."""
    sets = [ours[1]] if others is None else [ours[1], others[1]]
    with pinned_log(part.settings, part.asked, part.pins, part.save_pins) as (pins, stop):
        found = _read(part, pins, stop, sets, with_history=others is None)
    tell_compared(_as_read(part, pins, found), (ours[0], HISTORY if others is None else others[0]), telling)
    return status_of(found)


def lived_again(part: TopicRange, telling: Telling) -> int:
    """The history alone; the exit status."""
    with pinned_log(part.settings, part.asked, part.pins, part.save_pins) as (pins, stop):
        found = _read(part, pins, stop, [], with_history=True)
    tell_tried(_as_read(part, pins, found), HISTORY, telling)
    return status_of(found)


def swept_on_topics(part: TopicRange, ours: Named | None, text: str, telling: Telling) -> int:
    """One limit at many values, of these policies or (None) of the newest ones; the exit status."""
    with pinned_log(part.settings, part.asked, part.pins, part.save_pins) as (pins, stop):
        name, policies = ours or (NEWEST, newest_policies(part.settings, pins, stop))
        sweep, sets = swept_sets(text, policies)
        found = _read(part, pins, stop, sets, with_history=False)
    tell_swept(_as_read(part, pins, found), name, sweep, sweep.own_value(policies), telling)
    return status_of(found)


def _read(part: TopicRange, pins: Pins, stop: Stop, sets: Sequence[PolicySet], *, with_history: bool) -> Tried:
    options = RetrialOptions(
        **part.asked,
        policy_sets=sets,
        with_history=with_history,
        jobs=part.jobs,
        files={policies.version: policies for policies in sets},
    )
    with bar_over_partitions("trying", len(pins.committed)) as progress:
        try:
            return retry(part.settings, pins, options, stop, progress)
        except TableFull as error:
            raise CommandFailed(str(error)) from None
        except MemoryError as error:
            raise CommandFailed(
                str(error) or "the memory does not suffice: try fewer values, or fewer --jobs"
            ) from None


def _as_read(part: TopicRange, pins: Pins, found: Tried) -> ReadLog:
    places = _Places(topic_names(part.settings).verdicts)
    return ReadLog(
        outcomes=found.outcomes,
        lines=[*words.totals_lines(found.totals), *_what_is_wrong(found)],
        row=records.log_record(found.totals, found.faults, found.unread, pins.to_json()),
        words=places.words,
        fields=places.fields,
        is_empty=not found.totals.records,
    )


def _what_is_wrong(found: Tried) -> Iterator[str]:
    rejected = sum(found.totals.rejected.values())
    if rejected:
        yield f"{count(rejected, 'record')} could not be read, and {'counts' if rejected == 1 else 'count'} for nothing"
    for partition, why in found.unread.items():
        yield f"partition {partition} is not, or not wholly, in this: {said(why)}"
    yield from map(fault_line, found.faults[:_FAULTS_MAX])
    if len(found.faults) > _FAULTS_MAX:
        yield f"and {count(len(found.faults) - _FAULTS_MAX, 'fault')} more: --json has all"


def status_of(found: Tried) -> int:
    """The exit status: whether all that was asked for was taken up, and whether the log is whole."""
    if found.unread:
        return EXIT_INCOMPLETE
    # A gap that retention tore, and that the worker told of, is none of the log's.
    return EXIT_FAILED if any(fault.fault is not Fault.RETENTION_GAP for fault in found.faults) else EXIT_OK


class _Places:
    """Where records stand in the topics."""

    def __init__(self, verdicts: str) -> None:
        self._verdicts = verdicts

    def words(self, position: Position) -> str:
        place = f"{position.partition}:{position.offset}"
        return place if position.topic == self._verdicts else f"{position.topic} {place}"

    def fields(self, _: Position) -> dict[str, Any]:
        """None: the event's own position says all."""
        return {}
