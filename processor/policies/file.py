"""The policy file: YAML to a set of policies that is always valid (design, section 5).

What is not given has its default. Everything that is wrong is told at once.
"""

import hashlib

from processor.policies.document import document, place_of
from processor.policies.fields import duration_ms, flag, language, limit_bound, one_of, time_zone, whole_number
from processor.policies.limits import DEFAULT_SPAM_PERCENT_MIN_MESSAGES, LIMITS
from processor.policies.policy import (
    DEFAULT_BRAKE_BLOCKS,
    DEFAULT_POLICY_NAME,
    Action,
    NotifySettings,
    Policy,
    PolicySet,
)
from processor.policies.problems import PolicyFileError, Problem
from processor.policies.recipients import (
    DEFAULT_DIGEST_DELAY_MS,
    DEFAULT_LANGUAGE,
    DEFAULT_TIME_ZONE,
    DEFAULT_UNBLOCKS_WITHOUT_SUPPORT,
)
from processor.policies.section import Section


def parse(text: str) -> PolicySet:
    """The policies in `text`, with the hash of its bytes as version. Raises PolicyFileError."""
    problems: list[Problem] = []
    top = Section(document(text, problems), "", problems)
    default = _policy(top.section("default"), DEFAULT_POLICY_NAME)
    contacts = _contacts(top.section("contacts"))
    brake_blocks = top.value("brake_blocks", whole_number(1), DEFAULT_BRAKE_BLOCKS)
    top.end()
    if problems:
        raise PolicyFileError(problems)
    return PolicySet(policies=(default,), version=version_of(text), contacts=contacts, brake_blocks=brake_blocks)


def decoded(content: bytes) -> str:
    """The text of a file's bytes. Raises PolicyFileError when they are not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = place_of(content[: error.start].decode("utf-8"), len(content))
        given = f"the byte {content[error.start]:02x}, which is not UTF-8"
        raise PolicyFileError([Problem(place.line, place.column, "", given, "text in UTF-8")]) from None


def version_of(text: str) -> str:
    """What events call the policies of a file that has no number: `sha256:` and the start of the hash of its bytes."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8')).hexdigest()[:12]}"


def _policy(section: Section, name: str) -> Policy:
    policy = Policy(
        name=name,
        limits=_limits(section.section("limits")),
        spam_percent_min_messages=section.value(
            "spam_percent_min_messages", whole_number(1), DEFAULT_SPAM_PERCENT_MIN_MESSAGES
        ),
        action=section.value("action", one_of(Action), Action.BLOCK_UNTIL_TOMORROW),
        bulk_is_spam=section.value("bulk_is_spam", flag, False),
        notify=_notify(section.section("notify")),
        unblocks_without_support=section.value(
            "unblocks_without_support", whole_number(0), DEFAULT_UNBLOCKS_WITHOUT_SUPPORT
        ),
    )
    section.end()
    return policy


def _limits(section: Section) -> dict[str, float | None]:
    limits: dict[str, float | None] = {}
    for limit in LIMITS:
        default: float | None = float(limit.default)
        limits[limit.name] = section.value(limit.name, limit_bound(100 if limit.percent else None), default)
    section.end()
    return limits


def _notify(section: Section) -> NotifySettings:
    settings = NotifySettings(
        recipients=section.addresses("recipients"),
        fallback=section.addresses("fallback"),
        language=section.value("language", language, DEFAULT_LANGUAGE),
        time_zone=section.value("time_zone", time_zone, DEFAULT_TIME_ZONE),
        digest_delay_ms=section.value("digest_delay", duration_ms, DEFAULT_DIGEST_DELAY_MS),
        readers_are_staff=section.value("readers_are_staff", flag, False),
    )
    section.end()
    return settings


def _contacts(section: Section) -> dict[str, tuple[str, ...]]:
    contacts = {tenant: section.addresses(tenant) for tenant in section.given()}
    if "" in contacts:
        section.refuse_key("", "no name", "a tenant's id")
    return contacts
