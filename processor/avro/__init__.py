"""Avro without any client: the schemas in `schemas/`, records to bytes and back, and why bytes are refused."""

from processor.avro.refusals import Undecodable, UndecodableRecord
from processor.avro.schemas import (
    NAMESPACE,
    SINGLE_OBJECT_MAGIC,
    canonical_form,
    decode_body,
    encode_body,
    fingerprint,
    fingerprint_of,
    names,
    parse,
    raw_schema,
    record_name,
    released_versions,
    schema,
    single_object_prefix,
    writers_by_fingerprint,
)

__all__ = [
    "NAMESPACE",
    "SINGLE_OBJECT_MAGIC",
    "Undecodable",
    "UndecodableRecord",
    "canonical_form",
    "decode_body",
    "encode_body",
    "fingerprint",
    "fingerprint_of",
    "names",
    "parse",
    "raw_schema",
    "record_name",
    "released_versions",
    "schema",
    "single_object_prefix",
    "writers_by_fingerprint",
]
