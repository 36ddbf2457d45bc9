"""Commands as values and as records of the schema RestrictionCommand."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor import avro
from processor.avro import Undecodable, UndecodableRecord
from processor.restrictions.commands import RECORD, Command, CommandKind
from tests.event_strategies import optional_texts, required_texts, times_ms

UNBLOCK = Command(
    command_id="4f2c", kind=CommandKind.UNBLOCK, sender="ann@acme.example", tenant_id="acme", issued_by="eve@desk"
)

commands = st.builds(
    Command,
    command_id=required_texts,
    kind=st.sampled_from(CommandKind),
    sender=required_texts,
    tenant_id=required_texts,
    issued_by=st.text(max_size=40),
    block_id=optional_texts,
    until_ms=st.none() | times_ms,
    reason=optional_texts,
    ticket=optional_texts,
)


@given(commands)
def test_a_command_survives_its_record(command: Command) -> None:
    body = avro.encode_body(RECORD, command.to_record())
    assert Command.from_record(avro.decode_body(RECORD, body)) == command


def test_the_kinds_are_those_of_the_schema() -> None:
    fields = {field["name"]: field for field in json.loads(avro.raw_schema(RECORD))["fields"]}
    assert [kind.value for kind in CommandKind] == fields["kind"]["type"]["symbols"]


@pytest.mark.parametrize("field", ["command_id", "sender", "tenant_id"])
def test_a_command_that_nobody_could_be_answered_about_is_refused_as_a_record(field: str) -> None:
    with pytest.raises(UndecodableRecord) as refused:
        Command.from_record(UNBLOCK.to_record() | {field: ""})
    assert refused.value.reason is Undecodable.EMPTY_REQUIRED_FIELD
    assert refused.value.detail == field


def test_everything_else_is_the_worker_s_to_judge() -> None:
    odd = replace(UNBLOCK, kind=CommandKind.UNKNOWN, issued_by="", until_ms=1, reason="")
    assert Command.from_record(odd.to_record()) == odd
