"""Which policy applies to which sender, looked up once and remembered by a number that the kernels read.

A policy may ask for the tenant, which is an attribute of each record. So what is remembered holds for a sender with a tenant: a
record that names another tenant is looked up again. It follows from sender, tenant and policies alone, is no state, and is
forgotten at will: with each version of the policies, and at a restore.
"""

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from processor.compiled import compiled
from processor.detection.layout import Table
from processor.detection.senders import find_sender, word_at
from processor.policies.policy import PolicySet
from processor.types import Bytes, Int64s
from processor.verdicts.columns import OK, Columns

Scalar = TypeVar("Scalar", bound=np.generic)

ANY_TENANT = -1
_8 = np.uint64(8)
_1 = np.uint64(1)
_FIRST_ROOM = 64
_NUMBERS_MAX = 1 << 20
_TENANT_BYTES_MAX = 1 << 26
"""After so many pairs of policy and tenant, or with names of so many bytes, all are forgotten, and looked up again as they come."""
_ALIKE_MAX = 1 << 16
_ALIKE_BYTES_MAX = 512
"""So many pairs of domain and tenant are remembered at a time, of a sender and a tenant whose names together are no longer than that."""


class Resolved(NamedTuple):
    """What the numbers mean. Number 0 is nobody's."""

    row: Int64s  # (R,) row of the limits
    tenant_start: Int64s  # (R,) the tenant for which it holds, in `tenants` ...
    tenant_length: Int64s  # (R,) ... or ANY_TENANT
    tenants: Bytes
    everyone: Int64s  # (1,) the number of every sender, where there is but the default policy; else 0


@compiled
def holds_for(resolved: Resolved, number: int, buffer: Bytes, start: int, length: int) -> bool:
    """Whether what a number means holds for a record of this tenant."""
    known = resolved.tenant_length[number]
    if known == ANY_TENANT:
        return True
    if known != length:
        return False
    at = np.uint64(resolved.tenant_start[number])
    here = np.uint64(start)
    end = here + np.uint64(length)
    while here + _8 <= end:
        if word_at(resolved.tenants, at) != word_at(buffer, here):
            return False
        at += _8
        here += _8
    while here < end:
        if resolved.tenants[at] != buffer[here]:
            return False
        at += _1
        here += _1
    return True


@compiled
def unresolved(
    table: Table, resolved: Resolved, columns: Columns, buffer: Bytes, first: int, end: int, found: Int64s
) -> int:
    """Write the rows from `first` to `end` (exclusive) for which a number must be looked up into `found`; returns how many.

    A sender whose tenant changes on the way is looked up for each of his records, whatever was remembered.
    """
    count = 0
    for row in range(first, end):
        if columns.status[row] != OK:
            continue
        s = find_sender(
            table,
            buffer,
            columns.sender_start[row],
            np.int64(columns.sender_length[row]),
            np.int64(columns.sender_hash[row]),
        )
        if s != 0:
            number = np.int64(table.senders[s].policy)
            if number != 0:
                start, length = columns.tenant_start[row], np.int64(columns.tenant_length[row])
                if holds_for(resolved, number, buffer, start, length):
                    continue
                table.senders[s].policy = 0
        found[count] = row
        count += 1
    return count


class Resolutions:
    """The numbers of one partition under one set of policies."""

    def __init__(self, policies: PolicySet) -> None:
        self._matcher = matcher = policies.matcher
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._alike: dict[tuple[bytes, bytes], int] = {}
        """The number of all senders of a domain and a tenant, but for those whom the policies single out."""
        self._tenant_bytes = 0
        self.arrays = Resolved(
            row=np.zeros(_FIRST_ROOM, np.int64),
            tenant_start=np.zeros(_FIRST_ROOM, np.int64),
            tenant_length=np.full(_FIRST_ROOM, ANY_TENANT, np.int64),
            tenants=np.zeros(_FIRST_ROOM * 16, np.uint8),
            everyone=np.zeros(1, np.int64),
        )
        if matcher.only_default:
            self.arrays.everyone[0] = self._new((0, b""))

    @property
    def is_full(self) -> bool:
        """Whether it is time to start anew."""
        return len(self._numbers) >= _NUMBERS_MAX or self._tenant_bytes >= _TENANT_BYTES_MAX

    def row_of(self, number: int) -> int:
        """The row of the limits, and of the policies, that a number stands for."""
        return int(self.arrays.row[number])

    def number_of(self, sender: bytes, tenant: bytes) -> int:
        """The number for a sender with a tenant. Where no policy asks for tenants, it holds for any."""
        if len(sender) + len(tenant) > _ALIKE_BYTES_MAX or self._matcher.singles_out(sender.decode()):
            return self._looked_up(sender, tenant)
        at = sender.rfind(b"@") if self._matcher.by_domain else -1
        alike = (sender[at:] if at >= 0 else b"", tenant if self._matcher.by_tenant else b"")
        number = self._alike.get(alike)
        if number is None:
            if len(self._alike) >= _ALIKE_MAX:
                self._alike.clear()
            number = self._alike[alike] = self._looked_up(sender, tenant)
        return number

    def _looked_up(self, sender: bytes, tenant: bytes) -> int:
        row = self._matcher.row_of(sender.decode(), tenant.decode())
        key = (row, tenant if self._matcher.by_tenant else b"")
        return self._numbers.get(key) or self._new(key)

    def _new(self, key: tuple[int, bytes]) -> int:
        row, tenant = key
        number = len(self._numbers) + 1
        self._numbers[key] = number
        arrays = self.arrays
        if number >= len(arrays.row):
            arrays = arrays._replace(
                row=_doubled(arrays.row),
                tenant_start=_doubled(arrays.tenant_start),
                tenant_length=_doubled(arrays.tenant_length),
            )
        arrays.row[number] = row
        if self._matcher.by_tenant:
            start, end = self._tenant_bytes, self._tenant_bytes + len(tenant)
            while end > len(arrays.tenants):
                arrays = arrays._replace(tenants=_doubled(arrays.tenants))
            arrays.tenants[start:end] = np.frombuffer(tenant, np.uint8)
            arrays.tenant_start[number], arrays.tenant_length[number] = start, len(tenant)
            self._tenant_bytes = end
        else:
            arrays.tenant_length[number] = ANY_TENANT
        self.arrays = arrays
        return number


def _doubled(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    return np.concatenate([array, np.zeros_like(array)])
