"""Makes the logins of principals.txt and gives each its rights.

  /opt/senderwatch/bin/python principals.py --config admin.toml --passwords DIR

Connects as the settings say (senderwatch's own, variables too): as somebody who may alter the cluster. The names follow from the
settings topics.prefix, detector.group and notifier.group, so give it those of the workers. Can be run again at any time: it adds
what is missing, and says what a login has beyond the table, which it leaves.

Passwords are SCRAM's (SCRAM-SHA-512). They stand in files, DIR/LOGIN, and go to the brokers over the connection: as words of a
command, as Kafka's own tool wants them, they would be in every list of processes. Where a file is missing, one with a random
password is made. Without --passwords only rights are given: for logins by certificate, or by some other directory.
"""

import argparse
import secrets
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from processor.kafka.clients import admin, check_reachable
from processor.kafka.errors import BrokerUnreachable, RejectedProperty
from processor.settings import Settings, SettingsError, load_settings
from processor.workers.wiring import client_settings, group_name

TABLE = Path(__file__).with_name("principals.txt")
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Delete": AclOperation.DELETE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
}
_ITERATIONS = 8192
_TIMEOUT_S = 30.0


def rights(table: str, names: Mapping[str, str]) -> dict[str, list[AclBinding]]:
    """The rights of each login, with `names` put in for the words in braces. Raises ValueError for a line that is none."""
    found: dict[str, list[AclBinding]] = defaultdict(list)
    for number, line in enumerate(table.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            who, kind, which, *operations = line.split()
            login, name = f"{names['prefix']}senderwatch-{who}", which.format_map(names)
            pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
            found[login] += [
                AclBinding(
                    _RESOURCES[kind], name.removesuffix("*"), pattern, f"User:{login}", "*",
                    _OPERATIONS[operation], AclPermissionType.ALLOW,
                )
                for operation in operations
            ]  # fmt: skip
        except (KeyError, ValueError) as error:
            raise ValueError(f"line {number} of the table is none: {error}") from None
    return found


def names_in(settings: Settings) -> dict[str, str]:
    """What stands for the words in braces."""
    return {
        "prefix": settings.topics.prefix,
        "detector": group_name(settings, settings.detector.group),
        "notifier": group_name(settings, settings.notifier.group),
    }


def described(binding: AclBinding) -> str:
    """One right, as a person reads it."""
    kind = next((word for word, each in _RESOURCES.items() if each == binding.restype), str(binding.restype))
    operation = next((word for word, each in _OPERATIONS.items() if each == binding.operation), str(binding.operation))
    star = "*" if binding.resource_pattern_type == ResourcePatternType.PREFIXED else ""
    denied = "not " if binding.permission_type == AclPermissionType.DENY else ""
    return f"{denied}{operation} {kind} {binding.name}{star}"


def password_in(folder: Path, login: str) -> bytes:
    """The password of a login; a new one, in a file that only its owner can read, where there is none.

    Raises OSError, and ValueError for a file that has none.
    """
    file = folder / login
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=False)
        file.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    password = file.read_bytes().rstrip(b"\r\n")
    if not password:
        raise ValueError(f"{file} is empty: remove it, and a password is made, or write one into it")
    return password


def give(client: AdminClient, bindings: Sequence[AclBinding]) -> None:
    """Add these rights. Raises KafkaException."""
    for answer in client.create_acls(list(bindings), request_timeout=_TIMEOUT_S).values():
        answer.result()


def let_in(client: AdminClient, login: str, password: bytes) -> None:
    """Make the login, or set its password. Raises KafkaException."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    wanted = UserScramCredentialUpsertion(login, info, password)
    for answer in client.alter_user_scram_credentials([wanted], request_timeout=_TIMEOUT_S).values():
        answer.result()


def beyond(client: AdminClient, login: str, bindings: Sequence[AclBinding]) -> Iterator[str]:
    """What the login has that is not in the table. Raises KafkaException."""
    anything, who = (
        cast("str", None),
        f"User:{login}",
    )  # the library takes None for a name that is left open; its types do not
    everything = AclBindingFilter(
        ResourceType.ANY, anything, ResourcePatternType.ANY, who, anything, AclOperation.ANY, AclPermissionType.ANY
    )
    for binding in client.describe_acls(everything, request_timeout=_TIMEOUT_S).result():
        if binding not in bindings:
            yield described(binding)


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--config", type=Path, help="senderwatch's settings, with the login of the cluster's admin")
    options.add_argument("--passwords", type=Path, metavar="DIR", help="where passwords are, or are put")
    options.add_argument("--dry-run", action="store_true", help="say who gets which rights, and do nothing")
    given = options.parse_args()
    try:
        settings = load_settings(given.config, {})
        wanted = rights(TABLE.read_text("utf-8"), names_in(settings))
        if given.dry_run:
            for login, bindings in wanted.items():
                print(login, *map(described, bindings), sep="\n    ")
            return 0
        kafka = client_settings(settings)
        check_reachable(kafka)
        client = admin(kafka)
        for login, bindings in wanted.items():
            give(client, bindings)
            if given.passwords is not None:
                let_in(client, login, password_in(given.passwords, login))
            print(f"{login}: {len(bindings)} rights")
            for more in beyond(client, login, bindings):
                print(f"    has beyond the table: {more}")
    except (SettingsError, RejectedProperty, ValueError) as error:
        print(f"principals.py: {error}", file=sys.stderr)
        return 2
    except BrokerUnreachable as error:
        print(f"principals.py: {error}", file=sys.stderr)
        return 69
    except KafkaException as error:
        print(f"principals.py: {error.args[0].str()} (it needs Alter and Describe on the cluster)", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"principals.py: cannot use {error.filename}: {error.strerror} (--passwords names a folder)",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
