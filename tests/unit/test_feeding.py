"""The import loop: whatever ends it and wherever, going on where it says gives every line exactly once."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor import avro
from processor.kafka.feeder import BrokerLost, Feeder, Unclear
from processor.verdicts import jsonl
from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.files import Form, VerdictFile, guessed_form
from processor.verdicts.generator import Traffic, generate
from processor.verdicts.reading import Refused
from processor.verdicts.writing import write_avro, write_jsonl
from processor.workers import admitting
from processor.workers.feeding import Doubt, Ended, Ending, Import, Line, Tally, Watcher, feed_generated, import_files

NOW_MS = 1_795_500_000_000
PREFIX = b"\x00\x00\x00\x00\x07"


class FakeFeeder:
    """Takes transactions; loses the broker at the `lost_at`-th, whose records are in or not, as `commits` says."""

    def __init__(self, lost_at: int | None = None, *, is_clear: bool = True, commits: bool = False) -> None:
        self.transactions: list[list[tuple[bytes, bytes]]] = []
        self._lost_at, self._is_clear, self.commits = lost_at, is_clear, commits
        self._calls = 0

    def send(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        if not values:
            return
        self._calls += 1
        is_lost = self._calls == self._lost_at
        if not is_lost or self.commits:
            self.transactions.append(list(zip(keys, values, strict=True)))
        if is_lost:
            raise BrokerLost("gone", None if self._is_clear else Unclear("me", 0, 7, 1))

    @property
    def event_ids(self) -> list[str]:
        return [
            avro.decode_body("MessageVerdict", value.removeprefix(PREFIX))["event_id"]
            for transaction in self.transactions
            for _, value in transaction
        ]


def _verdict(event_id: str, occurred_at_ms: int = NOW_MS) -> MessageVerdict:
    return MessageVerdict(event_id, occurred_at_ms, "org", f"{event_id}@org.test", 0, 1, Verdict.CLEAN)


def _file(path: Path, count: int, broken: Sequence[int] = ()) -> Path:
    """Lines 1 to `count`, named by their number; some are broken, and every seventh is empty."""
    with path.open("wb") as stream:
        for number in range(1, count + 1):
            if number in broken:
                stream.write(b"broken\n")
            elif number % 7 == 0:
                stream.write(b"\n")
            else:
                stream.write(jsonl.line_of(_verdict(str(number))))
    return path


def _wanted(count: int, broken: Sequence[int] = ()) -> list[str]:
    return [str(number) for number in range(1, count + 1) if number % 7 and number not in broken]


def _plan(*paths: Path, **options: object) -> Import:
    files = [VerdictFile(path, Form.JSONL) for path in paths]
    plan = Import(files, PREFIX, stamp=lambda _: NOW_MS, now_ms=lambda: NOW_MS)
    for name, value in options.items():
        object.__setattr__(plan, name, value)
    return plan


def _run(plan: Import, feeder: FakeFeeder, should_stop: Callable[[], bool] = lambda: False) -> tuple[Ended, Tally]:
    tally = Tally()
    return import_files(plan, cast("Feeder", feeder), tally, Watcher(), should_stop), tally


class StopAfter:
    """Asks to stop when it has been asked `times` times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _file(tmp_path_factory.mktemp("lines") / "verdicts.jsonl", 60, broken=(5, 33, 34))


WANTED = _wanted(60, broken=(5, 33, 34))


@given(transaction_lines=st.integers(1, 70))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_import_takes_every_good_line_once(lines: Path, transaction_lines: int) -> None:
    feeder = FakeFeeder()
    ended, tally = _run(_plan(lines, transaction_lines=transaction_lines), feeder)
    assert ended == Ended(Ending.DONE)
    assert feeder.event_ids == WANTED
    assert max(map(len, feeder.transactions)) <= transaction_lines
    assert (tally.imported, tally.refusals, tally.lines) == (len(WANTED), 3, 60 - 60 // 7)
    assert [line.number for line in tally.first_refused] == [5, 33, 34]
    assert dict(tally.refused) == {("line", "is not JSON"): 3}


@given(transaction_lines=st.integers(1, 20), stop_after=st.integers(0, 130))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_interrupted_import_goes_on_where_it_says(lines: Path, transaction_lines: int, stop_after: int) -> None:
    feeder = FakeFeeder()
    ended, first = _run(_plan(lines, transaction_lines=transaction_lines), feeder, StopAfter(stop_after))
    if ended.why is Ending.DONE:
        assert feeder.event_ids == WANTED
        return
    assert ended.why is Ending.INTERRUPTED
    assert first.imported == len(feeder.event_ids)
    ended, second = _run(_plan(lines, transaction_lines=transaction_lines, from_line=ended.next_line), feeder)
    assert ended.why is Ending.DONE
    assert feeder.event_ids == WANTED
    assert first.refusals + second.refusals == 3


@given(st.integers(1, 20), st.integers(1, 20), st.booleans(), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_import_that_lost_the_broker_goes_on_once_the_doubt_is_settled(
    lines: Path, transaction_lines: int, lost_at: int, is_clear: bool, commits: bool
) -> None:
    feeder = FakeFeeder(lost_at, is_clear=is_clear, commits=commits and not is_clear)
    ended, tally = _run(_plan(lines, transaction_lines=transaction_lines), feeder)
    if ended.why is Ending.DONE:
        assert feeder.event_ids == WANTED
        return
    assert ended.why is Ending.BROKER_LOST
    assert (ended.doubt is None) is is_clear
    next_line = ended.next_line
    in_doubt = 0
    if ended.doubt is not None:
        assert Doubt.parse(str(ended.doubt)) == ended.doubt
        assert ended.doubt.unclear == Unclear("me", 0, 7, 1)
        if feeder.commits:
            in_doubt = len(feeder.transactions[-1])
            next_line = ended.doubt.through + 1
    assert tally.imported == len(feeder.event_ids) - in_doubt, "what is not known to be in is not reported as imported"
    _run(_plan(lines, from_line=next_line), feeder)
    assert feeder.event_ids == WANTED


def test_several_files_are_one_import_and_the_end_names_the_file(tmp_path: Path) -> None:
    paths = [_file(tmp_path / name, 5) for name in ("a", "b", "c")]
    feeder = FakeFeeder(lost_at=2)
    ended, _ = _run(_plan(*paths), feeder)
    assert (ended.why, ended.at, ended.next_line) == (Ending.BROKER_LOST, 1, 1)
    _run(_plan(*paths[1:]), feeder)
    assert feeder.event_ids == _wanted(5) * 3


def test_keys_are_senders_and_values_bear_the_prefix(tmp_path: Path) -> None:
    feeder = FakeFeeder()
    _run(_plan(_file(tmp_path / "one", 1)), feeder)
    (((key, value),),) = feeder.transactions
    assert key == b"1@org.test"
    assert value == PREFIX + avro.encode_body("MessageVerdict", _verdict("1").to_record())


def test_what_the_detector_would_throw_away_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "future.jsonl"
    path.write_bytes(
        b"".join(jsonl.line_of(_verdict(name, NOW_MS + offset)) for name, offset in (("a", 300_000), ("b", 300_001)))
        + jsonl.line_of(_verdict("x" * admitting.RECORD_MAX))
    )
    feeder = FakeFeeder()
    _, tally = _run(_plan(path), feeder)
    assert feeder.event_ids == ["a"]
    assert [(line.number, line.refused.field, line.refused.problem) for line in tally.first_refused] == [
        (2, "occurred_at", "is more than 5 minutes in the future"),
        (3, "line", "makes a record of more than 1000000 bytes"),
    ]


@given(from_line=st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_stretched_import_that_goes_on_puts_lines_where_the_first_run_would_have(lines: Path, from_line: int) -> None:
    def placed(first: int) -> dict[str, int]:
        feeder = FakeFeeder()
        _run(_plan(lines, from_line=first, spread_ms=86_400_000, ending_ms=NOW_MS), feeder)
        records = [avro.decode_body("MessageVerdict", value[5:]) for chunk in feeder.transactions for _, value in chunk]
        return {record["event_id"]: record["occurred_at"] for record in records}

    whole = placed(1)
    assert min(whole.values()) == NOW_MS - 86_400_000
    assert max(whole.values()) == NOW_MS
    rest = placed(from_line)
    assert rest == {event: time for event, time in whole.items() if int(event) >= from_line}


def test_refused_lines_are_told_with_their_text_once_they_are_behind(tmp_path: Path) -> None:
    class Keeper(Watcher):
        def __init__(self) -> None:
            self.kept: list[Line] = []

        def refused(self, line: Line) -> None:
            self.kept.append(line)

    path, keeper = _file(tmp_path / "a", 20, broken=range(1, 21)), Keeper()
    tally = Tally()
    import_files(_plan(path), cast("Feeder", FakeFeeder()), tally, keeper, lambda: False)
    assert [line.number for line in keeper.kept] == list(range(1, 21))
    assert {line.text for line in keeper.kept} == {b"broken"}
    assert len(tally.first_refused) == 10
    assert tally.first_refused[0].refused == Refused("line", "is not JSON", "Expecting value: line 1 column 1 (char 0)")


def test_a_file_that_cannot_be_opened_is_the_callers_to_tell(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _run(_plan(tmp_path / "absent"), FakeFeeder())


def test_generated_batches_wait_for_their_time() -> None:
    feeder, waited = FakeFeeder(), list[int]()
    batches = list(generate(Traffic(50, NOW_MS), PREFIX, 20))
    assert list(feed_generated(batches, cast("Feeder", feeder), waited.append)) == [20, 40, 50]
    assert waited == [int(batch.occurred_at_ms.max()) for batch in batches]
    assert [value for chunk in feeder.transactions for _, value in chunk] == [
        v for batch in batches for v in batch.values
    ]


def test_generated_files_can_be_imported(tmp_path: Path) -> None:
    traffic = Traffic(500, NOW_MS)
    expected = [
        avro.decode_body("MessageVerdict", value)["event_id"] for batch in generate(traffic) for value in batch.values
    ]
    for name, form, write in (("g.jsonl", Form.JSONL, write_jsonl), ("g.avro", Form.AVRO, write_avro)):
        out = io.BytesIO()
        write(generate(traffic), out)
        path = tmp_path / name
        path.write_bytes(out.getvalue())
        assert guessed_form(path) is form
        feeder = FakeFeeder()
        plan = _plan(files=[VerdictFile(path, form)])
        _, tally = _run(plan, feeder)
        assert feeder.event_ids == expected
        assert tally.refusals == 0


def test_files_say_how_far_they_are_read(lines: Path) -> None:
    file = VerdictFile(lines, Form.JSONL)
    assert file.size == lines.stat().st_size
    for _ in file.entries(lambda: NOW_MS):
        assert 0 < file.consumed <= file.size
    assert file.consumed == file.size


def test_a_refusal_is_said_in_one_line() -> None:
    refused = jsonl.parse(json.dumps({**_verdict("a").to_record(), "sender": ["a", "b"]}).encode())
    assert str(refused) == "sender: must be a string (found ['a', 'b'])"
