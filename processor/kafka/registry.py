"""A schema registry with Confluent's API: which number has this schema, which schema has this number.

What it answers is told apart by whose move it is: RegistryAway passes by itself, RegistryRefused needs the operator,
and a number that it does not know is the record's own fault.
"""

from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from processor.avro import Undecodable, UndecodableRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from confluent_kafka.schema_registry import SchemaRegistryClient

    Answer = TypeVar("Answer")

_TIMEOUT_S = 10
_PASSING = (408, 429)
_UNKNOWN_ID_CODES = range(40400, 40500)
"""Error codes of a registry that answers "no such schema". A 404 without one comes from something else at that URL."""


class RegistryAway(Exception):
    """The registry does not answer, or answers that it cannot now. Trying again later may help."""


class RegistryRefused(Exception):
    """The registry will not do what we ask, now or later. The text says what the operator can do."""


class Registry:
    """One registry. Nothing is kept here but the connection; processor.kafka.serde remembers the answers."""

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
        auto_register: bool = True,
    ) -> None:
        """Connect when first asked.

        Args:
            url: http(s)://HOST...; several with commas between are tried in turn. mock://NAME is one in this process.
            user: for basic authentication, with `password`.
            password: see `user`; never shown.
            ca_file: the authority to trust for https instead of the usual ones.
            auto_register: register our schemas; without it they have to be there already.
        """
        self.url = url
        self._auto_register = auto_register
        self._open = ExitStack()
        self._client = (
            _mock(url) if url.startswith("mock://") else self._open.enter_context(_client(url, user, password, ca_file))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; it cannot be used after that."""
        self._open.close()

    def id_of(self, subject: str, schema_text: str) -> int:
        """The number of a schema of ours under `subject`. Raises RegistryAway, RegistryRefused."""
        from confluent_kafka.schema_registry import Schema

        schema = Schema(schema_text, "AVRO")
        number: int | None
        if self._auto_register:
            number = self._asked(lambda: self._client.register_schema(subject, schema), f"to register {subject}")
        else:
            number = self._asked(lambda: self._client.lookup_schema(subject, schema).schema_id, f"to find {subject}")
        if number is None:
            raise RegistryAway(f"the schema registry at {self.url} names no number for {subject}")
        return number

    def schema_of(self, number: int) -> str:
        """The text of the schema with this number.

        Raises RegistryAway, RegistryRefused, and UndecodableRecord where the number is unknown or no Avro schema's.
        """
        schema = self._asked(lambda: self._client.get_schema(number), f"for schema {number}", asks_for_id=True)
        if schema.schema_type != "AVRO" or schema.schema_str is None:
            raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"id {number} is {schema.schema_type}, not Avro")
        if schema.references:
            raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"id {number} refers to other schemas")
        return schema.schema_str

    def _asked(self, ask: "Callable[[], Answer]", what: str, *, asks_for_id: bool = False) -> "Answer":
        from confluent_kafka.schema_registry import SchemaRegistryError

        try:
            return ask()
        except SchemaRegistryError as error:
            status, said = error.http_status_code, f"{error.error_message} (status {error.http_status_code})"
            if asks_for_id and status == 404 and error.error_code in _UNKNOWN_ID_CODES:
                raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"the registry has none {what[4:]}") from None
            if status >= 500 or status in _PASSING:
                raise RegistryAway(f"the schema registry at {self.url}, asked {what}: {said}") from None
            raise RegistryRefused(
                f"the schema registry at {self.url}, asked {what}: {said}; {_advice(status)}"
            ) from None
        except Exception as error:
            # Whatever the HTTP client raises when nobody, or no registry, answers: it has no closed set.
            reason = f"{type(error).__name__}: {error}"
            raise RegistryAway(f"the schema registry at {self.url}, asked {what}: {reason}") from error


def _advice(status: int) -> str:
    match status:
        case 401 | 403:
            return "see the settings schema_registry.user and schema_registry.password"
        case 404:
            return (
                "is schema_registry.url a registry's address, with its path? "
                "Schemas that are not there are registered when schema_registry.auto_register is true"
            )
        case 409 | 422:
            return "another schema is registered there that does not fit: remove it, or use another topic prefix"
        case _:
            return "see the setting schema_registry.url"


def _client(url: str, user: str | None, password: str | None, ca_file: Path | None) -> "SchemaRegistryClient":
    # Imported here: it costs 0.3 s and megabytes that nobody pays who has no registry.
    from confluent_kafka.schema_registry import SchemaRegistryClient

    configuration: dict[str, object] = {"url": url, "timeout": _TIMEOUT_S, "max.retries": 0}  # the waiting is ours
    if user is not None:
        configuration["basic.auth.user.info"] = f"{user}:{password or ''}"
    if ca_file is not None:
        configuration["ssl.ca.location"] = str(ca_file)
    return SchemaRegistryClient(configuration)


@lru_cache
def _mock(url: str) -> "SchemaRegistryClient":
    """One for all who name it in this process, as in Java's client, or a reader would not find what a writer said."""
    from confluent_kafka.schema_registry import SchemaRegistryClient

    return SchemaRegistryClient.new_client({"url": url})
