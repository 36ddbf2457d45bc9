"""Avro object container files of message verdicts, read by our schema whatever compatible schema they were written with."""

from collections.abc import Iterator
from typing import IO, Any, cast

import fastavro
from fastavro.read import SchemaResolutionError

from processor import avro
from processor.verdicts.event import MessageVerdict
from processor.verdicts.reading import Refused, verdict_of

_SMALLEST = 7
"""Bytes of the smallest verdict: one for each field that has no default."""


def records(stream: IO[bytes], first: int = 1) -> Iterator[tuple[int, MessageVerdict | Refused]]:
    """Each record's number, counted from 1, and its verdict or why there is none; `first` starts later.

    Whole blocks before `first` are passed over undecoded. After a record that cannot be decoded the rest of its block is lost,
    since Avro marks no boundaries within; the next block is read again. What is wrong with the file as a whole is a Refused at
    the record where it came out, and the end.
    """
    number = 1
    try:
        for block in fastavro.block_reader(stream, cast("Any", avro.schema("MessageVerdict"))):
            if block.num_records < 0:
                raise ValueError(f"a block claims {block.num_records} records")
            if number + block.num_records <= first:
                number += block.num_records
                continue
            for in_block, verdict in _decoded(block):
                if number + in_block >= first:
                    yield number + in_block, verdict
            number += block.num_records
    except Exception as error:  # noqa: BLE001 - fastavro has no common base for what a damaged file can raise
        yield max(number, first), _file_refused(error)


def _decoded(block: Any) -> Iterator[tuple[int, MessageVerdict | Refused]]:
    decoded = iter(block)
    for in_block in range(block.num_records):
        try:
            record = next(decoded)
        except SchemaResolutionError:
            raise  # the writer's schema does not fit, for any record
        except Exception as error:  # noqa: BLE001
            yield in_block, Refused("record", "cannot be decoded", _said(error))
            size = len(block.bytes_.getbuffer())
            if block.num_records * _SMALLEST > size:
                raise ValueError(f"a block claims {block.num_records} records in {size} bytes") from None
            for lost in range(in_block + 1, block.num_records):
                yield lost, Refused("record", "stands in its block after one that cannot be decoded")
            return
        yield in_block, verdict_of(cast("dict[str, object]", record))


def _file_refused(error: Exception) -> Refused:
    if isinstance(error, SchemaResolutionError):
        return Refused("file", "was written with a schema that MessageVerdict cannot read", _said(error))
    return Refused(
        "file", "is no Avro container file that can be read further, and the rest was not read", _said(error)
    )


def _said(error: Exception) -> str:
    """What an exception says, in one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
