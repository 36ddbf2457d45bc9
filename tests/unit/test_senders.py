"""The table of senders: a name has one number as long as it is needed, whatever comes and goes; and Kafka's partitioner."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from processor.detection.layout import GRANULE, Table, new_table
from processor.detection.senders import find_sender, free_sender_if_idle, name_hash, new_sender, partition_of

MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Kafka's own test vectors (`UtilsTest.testMurmur2`)."""


def _murmur2(key: bytes) -> int:
    """`org.apache.kafka.common.utils.Utils.murmur2`, in Python's integers."""

    def mixed(k: int) -> int:
        k = k * 0x5BD1E995 & 0xFFFFFFFF
        return (k ^ k >> 24) * 0x5BD1E995 & 0xFFFFFFFF

    h = 0x9747B28C ^ len(key)
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        h = (h * 0x5BD1E995 & 0xFFFFFFFF) ^ mixed(int.from_bytes(key[at : at + 4], "little"))
    if key[whole:]:
        h = (h ^ int.from_bytes(key[whole:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return h ^ h >> 15


def _partition(key: bytes, partitions: int, before: bytes = b"") -> int:
    return partition_of(np.frombuffer(before + key + b"after", np.uint8), len(before), len(key), partitions)


@pytest.mark.parametrize("key", MURMUR2)
def test_keys_go_to_the_partition_that_kafka_gives_them(key: bytes) -> None:
    assert _murmur2(key) == MURMUR2[key] & 0xFFFFFFFF
    for partitions in (1, 2, 7, 8, 50, 2**31 - 1):
        assert _partition(key, partitions) == (MURMUR2[key] & 0x7FFFFFFF) % partitions


@given(st.binary(max_size=40), st.integers(1, 10_000), st.binary(max_size=5))
def test_any_key_goes_there(key: bytes, partitions: int, before: bytes) -> None:
    assert _partition(key, partitions, before) == (_murmur2(key) & 0x7FFFFFFF) % partitions


def _hash(name: bytes, seed: int = 7, before: bytes = b"") -> int:
    return name_hash(np.frombuffer(before + name + b"after", np.uint8), len(before), len(name), seed)


@given(st.binary(max_size=80), st.binary(max_size=9), st.integers(0, 2**62))
def test_a_hash_depends_on_the_name_and_the_seed_not_on_what_stands_around(
    name: bytes, before: bytes, seed: int
) -> None:
    assert _hash(name, seed, before) == _hash(name, seed)
    assert 0 <= _hash(name, seed) < 2**31


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_bit_more_or_less_is_another_hash(name: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    flipped = name[:at] + bytes([name[at] ^ 1 << data.draw(st.integers(0, 7))]) + name[at + 1 :]
    names = {name, flipped, name[:-1], name + b"\x00", b"\x00" + name}
    assert len({_hash(each) for each in names}) == len(names)


def test_hashes_fill_the_table_evenly_and_each_seed_in_its_own_way() -> None:
    names = [f"user{number}@school.example".encode() for number in range(8192)]
    for seed in (0, 1, 2**62):
        fullest = np.bincount([_hash(name, seed) & 4095 for name in names]).max()
        assert fullest <= 14, "2 expected in each of 4096 buckets, more than 14 once in millions of seeds"
    assert sum(_hash(name, 1) & 4095 == _hash(name, 2) & 4095 for name in names) < 20


class Churn(RuleBasedStateMachine):
    """Senders come and go; the model is a dictionary. A hash of few values makes names share buckets, and even their hashes."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.table = new_table(0, 1, 7)
        self.numbers: dict[bytes, int] = {}

    @staticmethod
    def _hash(name: bytes) -> int:
        return len(name) % 3 + 1024 * (name[0] % 2)

    def _find(self, name: bytes) -> int:
        return find_sender(self.table, np.frombuffer(b"x" + name, np.uint8), 1, len(name), self._hash(name))

    @rule(
        target=known,
        fill=st.binary(min_size=1, max_size=4),
        length=st.integers(1, 70) | st.integers(1, 70_000) | st.sampled_from([1008, 1024, 1025, 2048, 65_536]),
    )
    def come(self, fill: bytes, length: int) -> bytes:
        name = (fill * (length // len(fill) + 1))[:length]
        s = self._find(name)
        assert s == self.numbers.get(name, 0)
        if s == 0:
            s = new_sender(self.table, np.frombuffer(name, np.uint8), 0, len(name), self._hash(name))
            assert s not in {0, *self.numbers.values()}
            self.numbers[name] = s
        return name

    @rule(name=known)
    def stay(self, name: bytes) -> None:
        assert self._find(name) == self.numbers.get(name, 0)

    @rule(name=consumes(known))
    def go(self, name: bytes) -> None:
        s = self.numbers.pop(name, 0)
        if s:
            free_sender_if_idle(self.table, s)
        assert self._find(name) == 0

    @rule(name=known)
    def remain_while_there_is_something_to_remember(self, name: bytes) -> None:
        s = self.numbers.get(name, 0)
        if s:
            for reason in ("kept", "newest"):
                self.table.senders[s][reason] = 1
                free_sender_if_idle(self.table, s)
                self.table.senders[s][reason] = 0
            assert self._find(name) == s

    @invariant()
    def every_name_is_stored_apart_from_all_others(self) -> None:
        assert self.table.state[0].senders == len(self.numbers)
        ends = []
        for name, s in self.numbers.items():
            sender = self.table.senders[s]
            at = int(sender.name_at) * GRANULE
            assert self.table.names[at : at + int(sender.name_length)].tobytes() == name
            ends.append((at, at + len(name)))
        ends.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(ends))


Churn.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestSendersComeAndGo = Churn.TestCase


def _enter(table: Table, names: Iterator[bytes]) -> dict[bytes, int]:
    return {name: new_sender(table, np.frombuffer(name, np.uint8), 0, len(name), _hash(name)) for name in names}


def _found(table: Table, name: bytes) -> int:
    return find_sender(table, np.frombuffer(name, np.uint8), 0, len(name), _hash(name))


def test_the_table_grows_with_its_senders_and_takes_no_more_room_for_others_in_their_place() -> None:
    table = new_table(0, 1, 7)
    state = table.state[0]
    numbers = _enter(table, (b"first-%d@school.example" % number for number in range(20_000)))
    assert len(set(numbers.values())) == 20_000
    assert (1 << state.bucket_level) + state.bucket_split >= 19_999
    assert all(_found(table, name) == s for name, s in numbers.items())
    tops = int(state.sender_top), int(state.name_top)
    for name, s in numbers.items():
        free_sender_if_idle(table, s)
        assert _found(table, name) == 0
    assert state.senders == 0
    again = _enter(table, (b"again-%d@school.example" % number for number in range(20_000)))
    assert set(again.values()) == set(numbers.values())
    assert (state.sender_top, state.name_top) == tops
    assert all(_found(table, name) == s for name, s in again.items())
    assert not any(_found(table, name) for name in numbers)
