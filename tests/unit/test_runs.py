"""What a consumer gives, as runs of one partition: every record in its place, whatever stands between them."""

from confluent_kafka import KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from processor.kafka.runs import End, Run, runs_of


def _message(partition: int, offset: int, value: bytes | None, timestamp_ms: int) -> Message:
    return Message(topic="t", partition=partition, offset=offset, value=value, timestamp=(1, timestamp_ms))


@st.composite
def _polled(draw: st.DrawFn) -> list[Message]:
    """Records of three partitions, mixed; offsets rise within each, with gaps where control records stand."""
    following = [0, 0, 0]
    messages = []
    for partition, gap, many in draw(
        st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 0, 1, 7]), st.integers(1, 9)), min_size=1)
    ):
        following[partition] += gap
        for _ in range(many):
            offset = following[partition]
            following[partition] += 1
            value = draw(st.none() | st.binary(max_size=3))
            messages.append(_message(partition, offset, value, draw(st.integers(0, 10))))
    return messages


@given(_polled())
def test_runs_hold_every_record_in_order_with_its_own_offset_and_time(messages: list[Message]) -> None:
    found = []
    for run in runs_of(messages):
        assert isinstance(run, Run)
        found += [
            (run.partition, offset, value, timestamp_ms)
            for offset, value, timestamp_ms in zip(
                run.offsets.tolist(), run.values, run.timestamps_ms.tolist(), strict=True
            )
        ]
        assert [message.offset() for message in run.messages] == run.offsets.tolist()
    assert found == [(each.partition(), each.offset(), each.value(), each.timestamp()[1]) for each in messages]


@given(_polled(), st.integers(0, 2), st.integers(0, 100))
def test_the_end_of_a_partition_keeps_its_place_among_the_records(
    messages: list[Message], partition: int, at: int
) -> None:
    at = min(at, len(messages))
    end_of_partition = KafkaError(KafkaError._PARTITION_EOF)
    end = Message(topic="t", partition=partition, offset=5, error=end_of_partition, timestamp=(0, -1))
    found = list(runs_of([*messages[:at], end, *messages[at:]]))
    place = found.index(End(partition, 5))
    records_before = sum(len(each.values) for each in found[:place] if isinstance(each, Run))
    assert records_before == at
    assert sum(len(each.values) for each in found if isinstance(each, Run)) == len(messages)
