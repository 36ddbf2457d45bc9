"""The policy file as a JSON Schema, for editors that complete and check it while it is written.

Made from the same tables as the reader, of which it says less: not that a group or a time zone exists, or that a name is there once.
Draft 7, which the editors' YAML support has known longest.
"""

from typing import Any

from processor.policies.fields import DURATION_PATTERN, LANGUAGE_PATTERN, MOST, NAME_MAX_CHARACTERS
from processor.policies.limits import LIMITS, Limit
from processor.policies.policy import DEFAULT_BRAKE_BLOCKS, Action, Policy

Schema = dict[str, Any]

_BUILT_IN = Policy()
_SCOPE = {
    "senders": ("sender", "Addresses or login names, as the verdicts name them."),
    "sender_domains": ("domain", "Domains of the senders' addresses."),
    "tenants": ("tenant", "Tenants, as the verdicts name them."),
    "groups": ("name", "Groups of this file."),
}
_TEXT = ["string", "integer"]
"""A login name of digits is a number to an editor and a name to us."""


def json_schema() -> Schema:
    """The schema of a whole file."""
    policy = _mapping(
        "Applies to the senders for whom its conditions hold.",
        _scope() | _settings(),
        ["name", "priority", "conditions"],
    )
    top = {
        "default": _mapping("Applies to all to whom no other policy does.", _settings()),
        "policies": {
            "description": "Policies for some of the senders. The first one that matches applies.",
            "type": ["array", "null"],
            "items": policy,
        },
        "groups": _names("Lists of senders, to be named in conditions and exceptions.", "name", _several("sender", 1)),
        "contacts": _names("Who is told where the policy names nobody, by tenant.", "tenant", _several("address", 0)),
        "brake_blocks": _whole("So many blocks in 5 to 10 minutes, in each partition, are the last.", 1)
        | {"default": DEFAULT_BRAKE_BLOCKS},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "senderwatch policies",
        **_mapping("Who may send how much, what happens when it is more, and who is told.", top),
        "definitions": {
            "name": {"type": _TEXT, "minLength": 1, "maxLength": NAME_MAX_CHARACTERS},
            "sender": {"type": _TEXT, "minLength": 1},
            "tenant": {"type": _TEXT, "minLength": 1},
            "domain": {"type": "string", "pattern": r"^[^@*\s]+$"},
            "address": {"type": "string", "pattern": r"^[^@\s]+@[^@\s]+$"},
        },
    }


def _scope() -> Schema:
    given = {key: _several(kind, 1) | {"description": text} for key, (kind, text) in _SCOPE.items()}
    given["include_subdomains"] = _flag("Whether sender_domains include the domains below them.", True)
    together = {"include_subdomains": ["sender_domains"]}
    conditions = _mapping("All that are given must hold; of the values in one, any.", given)
    return {
        "name": {"$ref": "#/definitions/name", "description": "What events and mails call this policy."},
        "priority": _whole("0 is the highest; equal ones in the order of the file.", 0),
        "conditions": conditions
        | {"type": "object", "anyOf": [{"required": [key]} for key in _SCOPE], "dependencies": together},
        "exceptions": _mapping("Whom the policy does not apply to: any that holds excludes.", given)
        | {"dependencies": together},
    }


def _settings() -> Schema:
    return {
        "limits": _mapping("What a sender may do. null: no limit.", {each.name: _limit(each) for each in LIMITS}),
        "spam_percent_min_messages": _whole("spam_percent_per_day counts from so many messages on.", 1)
        | {"default": _BUILT_IN.spam_percent_min_messages},
        "action": {
            "description": "What happens to a sender who passes a limit.",
            "enum": [action.value for action in Action],
            "default": _BUILT_IN.action.value,
        },
        "bulk_is_spam": _flag("Whether the verdict BULK counts as spam.", _BUILT_IN.bulk_is_spam),
        "unblocks_without_support": _whole("How often in 30 days an organisation may lift a block itself.", 0)
        | {"default": _BUILT_IN.unblocks_without_support},
        "notify": _mapping("Who is told, and how.", _notify()),
    }


def _notify() -> Schema:
    notify = _BUILT_IN.notify
    return {
        "recipients": _several("address", 0)
        | {"description": "Without any: the tenant's contacts, else postmaster@ the sender's domain."},
        "fallback": _several("address", 0)
        | {"description": "Told too when a recipient refuses the mail or is blocked himself."},
        "language": {
            "description": "Of the mails: a folder of templates.",
            "type": "string",
            "pattern": f"^{LANGUAGE_PATTERN}$",
            "default": notify.language,
        },
        "time_zone": {
            "description": "Of the times in the mails, such as Europe/Amsterdam.",
            "type": "string",
            "default": notify.time_zone,
        },
        "digest_delay": {
            "description": "How long further accounts may join a mail: 60s, 5m, 1h, or a number of seconds; 24 hours at most.",
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 86_400},
                {"type": "string", "pattern": f"^{DURATION_PATTERN}$"},
            ],
            "default": f"{notify.digest_delay_ms // 1000}s",
        },
        "readers_are_staff": _flag("Whether all readers are your own staff.", notify.readers_are_staff),
    }


def _limit(limit: Limit) -> Schema:
    noun = limit.unit.replace("% of the", "percent of the")
    bound: Schema = {
        "description": f"Most {noun} in {'an hour' if limit.window == 'hour' else 'a day'}.",
        "type": ["number", "null"],
        "minimum": 0,
        "default": limit.default,
    }
    return bound | ({"maximum": 100} if limit.percent else {})


def _mapping(description: str, properties: Schema, required: list[str] | None = None) -> Schema:
    """Of keys that are known. Left empty it is as left out, unless something is required of it."""
    kept = {"required": required} if required else {}
    return {
        "description": description,
        "type": "object" if required else ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
        **kept,
    }


def _names(description: str, kind: str, values: Schema) -> Schema:
    """Of keys that are anyone's choice."""
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": {"$ref": f"#/definitions/{kind}"},
        "additionalProperties": values,
    }


def _several(kind: str, least: int) -> Schema:
    one = {"$ref": f"#/definitions/{kind}"}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": least}]}


def _whole(description: str, lowest: int) -> Schema:
    return {"description": description, "type": "integer", "minimum": lowest, "maximum": MOST}


def _flag(description: str, default: bool) -> Schema:
    return {"description": description, "type": "boolean", "default": default}
