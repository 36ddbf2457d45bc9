"""Kernels: a sender's bytes to a dense number and back, with names of any length and numbers that are used again.

A chained hash table that grows by linear hashing: one bucket is split for each sender that comes, so nothing ever pauses.
The hash is seeded, since whoever opens accounts chooses the names; stored names are compared.
"""

import numpy as np

from processor.compiled import compiled
from processor.detection.layout import GRANULE, NAME_GRANULES_MAX, SENDERS_MAX, Table
from processor.types import Bytes

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_33 = np.uint64(33)
_1 = np.uint64(1)
_8 = np.uint64(8)
_MASK32 = np.uint64(0xFFFFFFFF)
_MURMUR = np.uint64(0x5BD1E995)


@compiled
def word_at(buffer: Bytes, at: int) -> int:
    """The eight bytes from `at` (unsigned) on as one number: compiled to one load (a string by words, not bytes: 75 to 44 ns a record)."""
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(buffer[at + np.uint64(i)]) << np.uint64(8 * i)
    return word


@compiled
def _rotated(word: int, bits: int) -> int:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@compiled
def _sip_round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 += v1
    v2 += v3
    v1 = _rotated(v1, 13) ^ v0
    v3 = _rotated(v3, 16) ^ v2
    v0 = _rotated(v0, 32) + v3
    v2 += v1
    v3 = _rotated(v3, 21) ^ v0
    v1 = _rotated(v1, 17) ^ v2
    return v0, v1, _rotated(v2, 32), v3


@compiled
def name_hash(buffer: Bytes, start: int, length: int, seed: int) -> int:
    """A 31-bit hash of `length` bytes of `buffer`: SipHash-1-3 (Aumasson and Bernstein, 2012) under a key made of `seed`.

    A weaker one had collisions that held for any seed, and whoever opens accounts could have made every look-up slow.
    """
    k0 = np.uint64(seed)
    k1 = (k0 ^ (k0 >> np.uint64(31))) * _SPREAD
    v0 = k0 ^ np.uint64(0x736F6D6570736575)
    v1 = k1 ^ np.uint64(0x646F72616E646F6D)
    v2 = k0 ^ np.uint64(0x6C7967656E657261)
    v3 = k1 ^ np.uint64(0x7465646279746573)
    at = np.uint64(start)
    end = np.uint64(start + length)
    while at + _8 <= end:
        word = word_at(buffer, at)
        v3 ^= word
        v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3)
        v0 ^= word
        at += _8
    word = np.uint64(length) << np.uint64(56)
    shift = np.uint64(0)
    while at < end:
        word |= np.uint64(buffer[at]) << shift
        shift += _8
        at += _1
    v3 ^= word
    v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3)
    v0 ^= word
    v2 ^= np.uint64(0xFF)
    for _ in range(3):
        v0, v1, v2, v3 = _sip_round(v0, v1, v2, v3)
    return np.int64((v0 ^ v1 ^ v2 ^ v3) >> _33)


@compiled
def partition_of(buffer: Bytes, start: int, length: int, partitions: int) -> int:
    """The partition that Java's default partitioner (murmur2, seed 0x9747b28c) gives a key of these bytes."""
    h = np.uint64(0x9747B28C) ^ np.uint64(length)
    words = length // 4
    for w in range(words):
        at = start + 4 * w
        k = (
            np.uint64(buffer[at])
            | np.uint64(buffer[at + 1]) << np.uint64(8)
            | np.uint64(buffer[at + 2]) << np.uint64(16)
            | np.uint64(buffer[at + 3]) << np.uint64(24)
        )
        k = (k * _MURMUR) & _MASK32
        k ^= k >> np.uint64(24)
        k = (k * _MURMUR) & _MASK32
        h = ((h * _MURMUR) & _MASK32) ^ k
    tail = start + 4 * words
    left = length - 4 * words
    if left == 3:
        h ^= np.uint64(buffer[tail + 2]) << np.uint64(16)
    if left >= 2:
        h ^= np.uint64(buffer[tail + 1]) << _8
    if left >= 1:
        h ^= np.uint64(buffer[tail])
        h = (h * _MURMUR) & _MASK32
    h ^= h >> np.uint64(13)
    h = (h * _MURMUR) & _MASK32
    h ^= h >> np.uint64(15)
    return np.int64(h & np.uint64(0x7FFFFFFF)) % partitions


@compiled
def bucket_of(table: Table, h: int) -> int:
    """The bucket in which a name with this hash is, if it is anywhere."""
    state = table.state[0]
    size = 1 << state.bucket_level
    bucket = h & (size - 1)
    return bucket if bucket >= state.bucket_split else h & (2 * size - 1)


@compiled
def _same_name(table: Table, s: int, buffer: Bytes, start: int, length: int) -> bool:
    at = np.uint64(table.senders[s].name_at) * np.uint64(GRANULE)
    here = np.uint64(start)
    end = here + np.uint64(length)
    while here + _8 <= end:
        if word_at(table.names, at) != word_at(buffer, here):
            return False
        at += _8
        here += _8
    while here < end:
        if table.names[at] != buffer[here]:
            return False
        at += _1
        here += _1
    return True


@compiled
def find_sender(table: Table, buffer: Bytes, start: int, length: int, h: int) -> int:
    """The number of the sender with this name and hash; 0: none."""
    s = np.int64(table.buckets[bucket_of(table, h)])
    while s != 0:
        sender = table.senders[s]
        if sender.hash == h and sender.name_length == length and _same_name(table, s, buffer, start, length):
            return s
        s = np.int64(sender.chain)
    return 0


@compiled
def _split_bucket(table: Table) -> None:
    state = table.state[0]
    size = 1 << state.bucket_level
    bucket = state.bucket_split
    s = np.int64(table.buckets[bucket])
    table.buckets[bucket] = 0
    while s != 0:
        sender = table.senders[s]
        following = np.int64(sender.chain)
        home = np.int64(sender.hash) & (2 * size - 1)
        sender.chain = table.buckets[home]
        table.buckets[home] = s
        s = following
    state.bucket_split += 1
    if state.bucket_split == size:
        state.bucket_level += 1
        state.bucket_split = 0


@compiled
def enter_sender(table: Table, s: int) -> None:
    """Make sender `s`, whose hash is set, findable."""
    state = table.state[0]
    sender = table.senders[s]
    bucket = bucket_of(table, np.int64(sender.hash))
    sender.chain = table.buckets[bucket]
    table.buckets[bucket] = s
    state.senders += 1
    if state.senders > (1 << state.bucket_level) + state.bucket_split and 2 << state.bucket_level <= 2 * SENDERS_MAX:
        _split_bucket(table)


@compiled
def _name_class(length: int) -> int:
    granules = (length + GRANULE - 1) // GRANULE
    if granules <= 64:
        return granules
    power = 7
    while 1 << power < granules:
        power += 1
    return 64 + power - 6


@compiled
def _class_granules(name_class: int) -> int:
    return name_class if name_class <= 64 else 1 << (name_class - 64 + 6)


@compiled
def name_fits(table: Table, length: int) -> bool:
    """Whether there is room for a name of so many bytes."""
    name_class = _name_class(length)
    top = table.state[0].name_top + _class_granules(name_class)
    return table.name_free[name_class] != 0 or top <= NAME_GRANULES_MAX


@compiled
def has_room_for(table: Table, length: int) -> bool:
    """Whether there is room for one more sender, with a name of so many bytes."""
    state = table.state[0]
    return (state.sender_free != 0 or state.sender_top < SENDERS_MAX) and name_fits(table, length)


@compiled
def _next_free_name(table: Table, granule: int) -> int:
    at = np.int64(granule) * GRANULE
    return (
        np.int64(table.names[at])
        | np.int64(table.names[at + 1]) << 8
        | np.int64(table.names[at + 2]) << 16
        | np.int64(table.names[at + 3]) << 24
    )


@compiled
def store_name(table: Table, s: int, buffer: Bytes, start: int, length: int) -> None:
    """Keep a copy of the name of sender `s`."""
    state = table.state[0]
    sender = table.senders[s]
    name_class = _name_class(length)
    granule = np.int64(table.name_free[name_class])
    if granule != 0:
        table.name_free[name_class] = _next_free_name(table, granule)
    else:
        granule = state.name_top
        state.name_top += _class_granules(name_class)
    at = granule * GRANULE
    for i in range(length):
        table.names[at + i] = buffer[start + i]
    sender.name_at = granule
    sender.name_length = length


@compiled
def forget_name(table: Table, s: int) -> None:
    """Give the room of the name of sender `s` back."""
    sender = table.senders[s]
    if sender.name_length == 0:
        return
    name_class = _name_class(np.int64(sender.name_length))
    at = np.int64(sender.name_at) * GRANULE
    following = np.int64(table.name_free[name_class])
    for i in range(4):
        table.names[at + i] = (following >> (8 * i)) & 0xFF
    table.name_free[name_class] = sender.name_at
    sender.name_at = 0
    sender.name_length = 0


@compiled
def touch_sender(table: Table, s: int) -> None:
    """Note that what is remembered of sender `s`, besides cells, has changed since the last commit."""
    sender = table.senders[s]
    if sender.touched == 0:
        sender.touched = 1
        state = table.state[0]
        table.touched_senders[state.touched_senders] = s
        state.touched_senders += 1


@compiled
def new_sender(table: Table, buffer: Bytes, start: int, length: int, h: int) -> int:
    """Give a sender that `find_sender` does not know a number."""
    state = table.state[0]
    s = np.int64(state.sender_free)
    if s != 0:
        state.sender_free = table.senders[s].chain
    else:
        s = np.int64(state.sender_top)
        state.sender_top += 1
    sender = table.senders[s]
    sender.hash = h
    sender.newest = sender.hour_oldest = sender.day_oldest = 0
    sender.as_of = 0
    sender.policy = 0
    sender.alerted_day = 0
    sender.alerted = 0
    sender.counts_from_ms = 0
    sender.restricted = 0
    sender.kept = 0
    store_name(table, s, buffer, start, length)
    enter_sender(table, s)
    touch_sender(table, s)
    return s


@compiled
def free_sender_if_idle(table: Table, s: int) -> None:
    """A sender of whom nothing is left to remember takes no memory."""
    sender = table.senders[s]
    if sender.newest != 0 or sender.kept != 0:
        return
    bucket = bucket_of(table, np.int64(sender.hash))
    other = np.int64(table.buckets[bucket])
    if other == s:
        table.buckets[bucket] = sender.chain
    else:
        while table.senders[other].chain != s:
            other = np.int64(table.senders[other].chain)
        table.senders[other].chain = sender.chain
    forget_name(table, s)
    state = table.state[0]
    sender.chain = state.sender_free
    state.sender_free = s
    state.senders -= 1
