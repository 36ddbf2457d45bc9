"""The command line: any words at all. No broker is ever reached: where one would be, the commands are told that none answers."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import typer

from processor.cli import common, main
from processor.kafka.errors import BrokerUnreachable
from tests.fuzz.sandbox import Sandbox
from tests.fuzz.target import Target
from tests.fuzz.targets.importers import _files, _lines

_STATUSES = frozenset(value for name, value in vars(common).items() if name.startswith("EXIT_"))
_VALUES = (
    "", "x", "-", "--", "0", "-1", "1.5", "7", "99999999999999999999", "nan", "1e9", "é", "\udcff", "a\nb", "%s%n", "{0}", "[red]x[/nope]",
    "$(x)", "*", "=", "a=b", "security.protocol=ssl", "127.0.0.1:1", "127.0.0.1", ":::", "[::1]:1", "ann@a.example", "a.example",
    "2026-11-24", "2026-11-24T02:00:00Z", "-1d", "5m", "1h", "tomorrow", "0001-01-01", "9999-12-31T23:59:59.999999Z", "0:5,1:7", "5..1:0",
    "spam_messages_per_hour=5..50:5", "spam_messages_per_hour=0..1e300:1e-9", "default", "json", "debug", "nl", "Europe/Amsterdam",
    "verdicts.jsonl", "verdicts.avro", "policies.yaml", "broken", "folder", "absent/deep/file", "out", "senderwatch.toml", "/dev/null",
    "/proc/self/mem", "x" * 5000, "../../x", "report.html", "report.parquet", "SPAM", "jsonl", "avro", "rspamd", "--help", "--version",
)  # fmt: skip
_POLICIES = "policies:\n  - name: x\n    priority: 0\n    conditions: {senders: a@a.example}\n"


@lru_cache
def _sandbox() -> Sandbox:
    return Sandbox()


@lru_cache
def _commands() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """The words of every command, and the options that it knows."""
    return tuple(_walk(typer.main.get_command(main.app), ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    options = tuple(option for parameter in command.params for option in parameter.opts if option.startswith("-"))
    yield words, options
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(below, (*words, name))


def _check(given: bytes) -> str:
    words = [word.decode(errors="surrogateescape") for word in given.split(b"\0")]
    sandbox = _sandbox()
    _furnish(sandbox.folder)
    with sandbox.entered(" ".join(words)) as said, _without_a_broker():
        status = main.run(words)
    told = said.read_text(encoding="utf-8", errors="replace")
    assert status in _STATUSES, f"status {status}"
    assert "Traceback (most recent call last)" not in told, told[-2000:]
    assert not sandbox.outside, sandbox.outside
    assert status != common.EXIT_USAGE or told.strip(), "status 2 without a word"
    return f"{status}"


def _furnish(folder: Path) -> None:
    """The files that the words name, made anew where a command has changed them."""
    (folder / "folder").mkdir(exist_ok=True)
    files = {
        "verdicts.jsonl": b"".join(_lines()),
        "verdicts.avro": _files()[-2][1:],
        "policies.yaml": _POLICIES.encode(),
        "broken": b"\x1f\x8b\xff{[\x00",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for left in ("out", "report.html", "senderwatch.toml"):
        path = folder / left
        if path.is_file():
            path.unlink()


@contextmanager
def _without_a_broker() -> Iterator[None]:
    """Also without standard input, which a command may wait for."""

    def unreachable(*_: Any, **__: Any) -> Any:
        raise BrokerUnreachable("127.0.0.1:1", "none is there while fuzzing")

    nothing = os.open(os.devnull, os.O_RDONLY)
    kept = os.dup(0)
    os.dup2(nothing, 0)
    try:
        with (
            mock.patch("processor.kafka.clients._made", unreachable),
            mock.patch("processor.workers.demo_broker.EmbeddedBroker", unreachable),
            mock.patch.object(sys, "stdin", open(0, closefd=False)),
            mock.patch.dict(os.environ),
        ):
            yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(nothing)


def _begin() -> list[bytes]:
    whole = [
        "policy check policies.yaml", "what-if --input verdicts.jsonl --policies policies.yaml", "what-if --input verdicts.avro --json",
        "verdicts import verdicts.jsonl --bootstrap-servers 127.0.0.1:1", "mail preview", "topics list",
        "mail templates out",
        "what-if --input verdicts.jsonl --sweep spam_messages_per_hour=5..50:5 --html report.html", "policy schema",
        "audit --from 2026-11-24",
    ]  # fmt: skip
    return [b"\0".join(word.encode() for word in line.split()) for line in whole] + [
        b"\0".join(word.encode() for word in words) for words, _ in _commands()
    ]


def _reshape(_given: bytes, random: Random) -> bytes:
    """Some command with some of its options, values of any kind, and now and then a word too many or too few."""
    words, options = random.choice(_commands())
    line = list(words)
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        if options and random.random() < 0.7:
            option = random.choice(options)
            line += [f"{option}={random.choice(_VALUES)}"] if random.random() < 0.2 else [option]
        if random.random() < 0.8:
            line.append(random.choice(_VALUES))
    if line and random.random() < 0.1:
        line.pop(random.randrange(len(line)))
    return b"\0".join(word.encode(errors="surrogateescape").replace(b"\0", b"") for word in line)


TARGETS = (
    Target(
        "command-line",
        "any words end in a documented exit status, without a traceback, and nothing is written that they do not name",
        _check,
        _begin,
        words=tuple(b"\0" + value.encode(errors="surrogateescape") for value in _VALUES),
        reshape=_reshape,
        limit_s=30,
        memory_mb=1000,
    ),
)
