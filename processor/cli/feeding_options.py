"""What the options of `senderwatch verdicts` mean; a word that means nothing is a CommandFailed that names its option."""

from collections.abc import Callable
from errno import EISDIR
from ipaddress import IPv4Network, IPv6Network, ip_network
from os import strerror
from pathlib import Path

from processor.cli.common import EXIT_USAGE, CommandFailed
from processor.cli.times import now_ms
from processor.verdicts.files import STANDARD_INPUT, Form, VerdictFile, guessed_form
from processor.verdicts.reading import BadField, epoch_ms
from processor.verdicts.tenants import Tenants, TenantsFileError, load_tenants
from processor.workers.feeding import Doubt


def form_of(path: Path, form: Form | None) -> Form:
    """What a file, which must be there, holds: as `--format` says, or else by its first bytes."""
    try:
        if path != STANDARD_INPUT and path.is_dir():
            raise IsADirectoryError(EISDIR, strerror(EISDIR))
        if path != STANDARD_INPUT:
            path.stat()
        return form or guessed_form(path)
    except OSError as error:
        raise CommandFailed(f"cannot read {path}: {error.strerror}", EXIT_USAGE) from None


def tenants_in(path: Path | None) -> Tenants:
    """The map of `--tenants`."""
    try:
        return Tenants() if path is None else load_tenants(path)
    except TenantsFileError as error:
        raise CommandFailed(f"--tenants {error}", EXIT_USAGE) from None


def networks(words: list[str]) -> list[IPv4Network | IPv6Network]:
    """The networks of `--trust-envelope-from`, several in a word or one."""
    try:
        return [ip_network(word) for words_of_one in words for word in words_of_one.split(",")]
    except ValueError as error:
        raise CommandFailed(
            f"--trust-envelope-from: {error}; expected networks such as 192.0.2.0/24", EXIT_USAGE
        ) from None


def stamp(word: str) -> Callable[[VerdictFile], int]:
    """The time of lines that bear none, by `--occurred-at`."""
    if word == "now":
        return lambda _: now_ms()
    if word == "file":
        return _modified_ms
    fixed = time_ms(word, "--occurred-at")
    return lambda _: fixed


def _modified_ms(file: VerdictFile) -> int:
    return now_ms() if file.path == STANDARD_INPUT else file.path.stat().st_mtime_ns // 1_000_000


def time_ms(word: str, option: str) -> int:
    """Epoch milliseconds of an RFC 3339 time or of themselves."""
    try:
        return epoch_ms(int(word) if word.isdecimal() else word, option)
    except BadField as error:
        raise CommandFailed(str(error), EXIT_USAGE) from None


def doubt_of(token: str) -> Doubt:
    """The token of `--in-doubt`."""
    try:
        return Doubt.parse(token)
    except ValueError:
        raise CommandFailed("--in-doubt: give the token as the earlier run printed it", EXIT_USAGE) from None
