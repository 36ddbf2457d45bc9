"""Kernel: generated verdicts, held as numbers, written as Avro payloads.

The fields stand in the order of `schemas/MessageVerdict.avsc`; a test holds the two together, with fastavro as the oracle.
Names are not stored but spelt from the sender's number, so that five million senders take no more memory than ten.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from processor.compiled import compiled
from processor.types import Bytes, Int64s

_FIRST_NAMES = (
    "anna bram chloe daan emma finn gwen hugo iris jan kim lars mila noah olga piet quinn rosa sem tess umar vera wim yara zoe "
    "adam bea carl dina eric fay gijs hana ivo julia koen lisa mark nina otto petra ruth stijn tom ursula victor"
)
_LAST_NAMES = (
    "bakker berg boer bos brink brouwer claes dekker dijk evers faber groen haan hendriks hofman jacobs jansen janssens kok "
    "koning kramer kuiper lam lange maes meijer mertens mulder peeters peters pool post prins ruiter schouten smit smits "
    "stam tange thijs uyt veen vermeer visser vos vries wal willems wouters young zand zijl"
)
_COMPANIES = (
    "alder amber aspen beacon birch brook cedar clover coral delta ember falcon fern garnet harbor hazel ivory jasper juniper "
    "lark linden maple meadow onyx opal orchid pine quartz raven river sable tulip willow"
)
_DIGITS = b"0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that is taken for a digit."""
_EVENT_DIGITS, _MAIL_DIGITS = 13, 8
ROW_MAX = 256
"""No payload is longer, its prefix (at most 16 bytes) included; the test that spells the longest names watches it."""


class Texts(NamedTuple):
    """Strings end to end; the k-th lies between `start[k]` and `start[k + 1]`."""

    content: Bytes
    start: Int64s


class Names(NamedTuple):
    """What names are made of. `domains` holds one for each tenant."""

    first: Texts
    last: Texts
    domains: Texts
    digits: Bytes


class Rows(NamedTuple):
    """Verdicts as numbers. `event` and `mail` are random bits for the two identifiers; a NaN `score` is null."""

    event: npt.NDArray[np.uint64]
    mail: npt.NDArray[np.uint64]
    occurred_at_ms: Int64s
    tenant: Int64s
    sender: Int64s
    client_ip: Int64s
    internal_recipients: Int64s
    external_recipients: Int64s
    verdict: Int64s
    score: npt.NDArray[np.float32]
    score_bits: npt.NDArray[np.uint32]


class Places(NamedTuple):
    """Where each payload ends in the output, and where the sender's bytes in it begin and end."""

    end: Int64s
    sender_start: Int64s
    sender_end: Int64s


def new_places(rows: int) -> Places:
    """Room for the places of so many rows."""
    return Places(np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64))


def names(tenants: int) -> Names:
    """The names of a world with so many tenants."""
    return Names(
        first=_texts(_FIRST_NAMES.split()),
        last=_texts(_LAST_NAMES.split()),
        domains=_texts([domain(tenant) for tenant in range(tenants)]),
        digits=np.frombuffer(_DIGITS, np.uint8),
    )


def domain(tenant: int) -> str:
    """The domain of a tenant, which is also the tenant's id. All are under `.test`, which nobody can own (RFC 6761)."""
    companies = _COMPANIES.split()
    number, company = divmod(tenant, len(companies))
    return f"{companies[company]}{number or ''}.test"


def account(sender: int, tenant: int) -> str:
    """The name of a sender, as the kernel spells it."""
    first, last = _FIRST_NAMES.split(), _LAST_NAMES.split()
    number, pair = divmod(sender, len(first) * len(last))
    return f"{first[pair % len(first)]}.{last[pair // len(first)]}{number or ''}@{domain(tenant)}"


def _texts(strings: Sequence[str]) -> Texts:
    start = np.zeros(len(strings) + 1, np.int64)
    start[1:] = np.cumsum([len(string) for string in strings])
    return Texts(np.frombuffer("".join(strings).encode("ascii"), np.uint8), start)


@compiled
def _number(out: Bytes, at: int, value: int) -> int:
    """A zig-zag varint of a number that is not negative."""
    value <<= 1
    while value > 0x7F:
        out[at] = (value & 0x7F) | 0x80
        value >>= 7
        at += 1
    out[at] = value
    return at + 1


@compiled
def _text(out: Bytes, at: int, texts: Texts, k: int) -> int:
    for i in range(texts.start[k], texts.start[k + 1]):
        out[at] = texts.content[i]
        at += 1
    return at


@compiled
def _identifier(out: Bytes, at: int, digits: Bytes, bits: np.uint64, length: int) -> int:
    for i in range(length):
        out[at + i] = digits[np.int64((bits >> np.uint64(5 * i)) & np.uint64(31))]
    return at + length


@compiled
def _decimal(out: Bytes, at: int, value: int) -> int:
    """A number in decimal, without leading zeros."""
    unit = 1
    while unit * 10 <= value:
        unit *= 10
    while unit > 0:
        out[at] = 48 + value // unit % 10
        unit //= 10
        at += 1
    return at


@compiled
def _name(out: Bytes, at: int, names: Names, sender: int, tenant: int) -> int:
    firsts = names.first.start.size - 1
    lasts = names.last.start.size - 1
    number, pair = sender // (firsts * lasts), sender % (firsts * lasts)
    at = _text(out, at, names.first, pair % firsts)
    out[at] = 46  # .
    at = _text(out, at + 1, names.last, pair // firsts)
    if number > 0:
        at = _decimal(out, at, number)
    out[at] = 64  # @
    return _text(out, at + 1, names.domains, tenant)


@compiled
def _address(out: Bytes, at: int, ip: int) -> int:
    for shift in (24, 16, 8, 0):
        at = _decimal(out, at, (ip >> shift) & 0xFF)
        if shift > 0:
            out[at] = 46
            at += 1
    return at


@compiled
def write(rows: Rows, names: Names, prefix: Bytes, out: Bytes, places: Places) -> None:
    """Write each row's payload behind the one before it, and note its places.

    `out` must have room for ROW_MAX bytes a row. Lengths are written as one byte: no string here reaches 64.
    """
    at = 0
    for i in range(rows.sender.size):
        for j in range(prefix.size):
            out[at] = prefix[j]
            at += 1
        out[at] = _EVENT_DIGITS << 1
        at = _identifier(out, at + 1, names.digits, rows.event[i], _EVENT_DIGITS)
        at = _number(out, at, rows.occurred_at_ms[i])
        start = at + 1
        at = _text(out, start, names.domains, rows.tenant[i])
        domain_size = at - start
        out[start - 1] = domain_size << 1
        start = at + 1
        at = _name(out, start, names, rows.sender[i], rows.tenant[i])
        out[start - 1] = (at - start) << 1
        places.sender_start[i], places.sender_end[i] = start, at
        out[at] = 2  # message_id is a string
        out[at + 1] = (_MAIL_DIGITS + 1 + domain_size) << 1
        at = _identifier(out, at + 2, names.digits, rows.mail[i], _MAIL_DIGITS)
        out[at] = 64
        at = _text(out, at + 1, names.domains, rows.tenant[i])
        out[at] = 2  # client_ip is a string
        start = at + 2
        at = _address(out, start, rows.client_ip[i])
        out[start - 1] = (at - start) << 1
        at = _number(out, at, rows.internal_recipients[i])
        at = _number(out, at, rows.external_recipients[i])
        at = _number(out, at, rows.verdict[i])
        if np.isnan(rows.score[i]):
            out[at] = 0
            at += 1
        else:
            out[at] = 2
            for shift in (0, 8, 16, 24):
                out[at + 1 + shift // 8] = (rows.score_bits[i] >> np.uint32(shift)) & np.uint32(0xFF)
            at += 5
        places.end[i] = at
