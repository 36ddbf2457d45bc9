"""The kinds of values that settings take, each checked with a message that says what is expected."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from processor.policies.addresses import is_address


def _property_values(value: object) -> object:
    """Librdkafka properties as strings by their dotted names, as TOML tables and environment variables can give them.

    TOML reads an unquoted `sasl.username = "x"` as a table in a table; a variable's name cannot hold a dot, so there
    SASL_USERNAME stands for sasl.username (no librdkafka property that takes a string has an underscore).
    """
    return dict(_flattened(value, "")) if isinstance(value, Mapping) else value


def _flattened(table: Mapping[str, Any], path: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        dotted = f"{path}{name.replace('_', '.')}"
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{dotted}.")
        elif isinstance(value, bool):
            yield dotted, str(value).lower()
        else:
            yield dotted, str(value)


def _matching(pattern: str, expected: str) -> AfterValidator:
    """A check of the whole text whose message says in words what is expected."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError("expected a mail address, local@domain")
    return value


def _named(value: object) -> object:
    """An empty text would mean the folder that the process happens to be in."""
    if value == "":
        raise ValueError("expected the name of a file or folder")
    return value


def _listed(value: object) -> object:
    """One text as the list that it stands for: an environment variable has no other way to give one."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _servers(value: str) -> str:
    for server in value.split(","):
        host, _, port = server.rpartition(":")
        if not re.fullmatch(r"[^\s,/@]+", host) or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            raise ValueError("expected HOST:PORT, or several with commas between")
    return value


def secret_in(path: Path) -> str:
    """The content of a file that holds one secret, without the line end that editors add."""
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def _readable(path: Path) -> Path:
    secret_in(path)
    return path


def contents_of(files: dict[str, str]) -> dict[str, str]:
    """The value that each file holds, in place of its path."""
    return {name: secret_in(Path(path)) for name, path in files.items()}


Properties = Annotated[dict[str, str], BeforeValidator(_property_values)]
PathName = Annotated[Path, BeforeValidator(_named)]
SecretFile = Annotated[Path, BeforeValidator(_named), AfterValidator(_readable)]
Name = Annotated[str, _matching(r"[a-zA-Z0-9._-]{1,200}", "letters, digits, '.', '_' and '-'")]
Servers = Annotated[str, AfterValidator(_servers)]
Host = Annotated[str, _matching(r"[^\s,/@]+", "the name or address of a host")]
Prefix = Annotated[str, _matching(r"[a-zA-Z0-9._-]{0,150}", "letters, digits, '.', '_' and '-', 150 at most")]
RegistryUrl = Annotated[str, _matching(r"(https?|mock)://[^\s@]+", "http(s)://HOST..., user and password apart")]
WebUrl = Annotated[str, _matching(r"https?://[^\s@]+", "http(s)://HOST...")]
Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(_listed)]
"""A list; one text is several with commas between."""
Domain = Annotated[str, _matching(r"[A-Za-z0-9.-]+", "a domain name")]
Selector = Annotated[str, _matching(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", "a name as in DNS, such as 's1'")]
