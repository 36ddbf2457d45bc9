"""Verdicts from what rspamd's `metadata_exporter` posts, one JSON object a line.

Both forms are read: that of the exporter's stock `json` formatter, and that of a custom one which adds what the stock one
lacks (`docs/feeding.md` has it): the time, a name for the event, and addresses as they were sent. Keys that are not needed are
passed over, since rspamd adds some with every release.

How rspamd names things is taken from its sources: actions from `cfg_utils.cxx`, the groups `phishing` and `antivirus` from
`conf/groups.conf` and `conf/scores.d/`, scanner symbols from `antivirus.lua` and `lua_scanners/`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from processor.verdicts.event import InvalidVerdict, MessageVerdict, Verdict
from processor.verdicts.jsonl import json_object
from processor.verdicts.reading import Arrived, BadField, Entry, Refused, Skipped, finite_score, found, text
from processor.verdicts.tenants import Tenants, canonical_domain, domain_of

NO_USER = "no authenticated user"
NULL_SENDER = "no authenticated user, and a null or unreadable envelope sender"

_VERDICT_OF_ACTION = {
    "reject": Verdict.HIGH_CONFIDENCE_SPAM,
    "add header": Verdict.SPAM,
    "rewrite subject": Verdict.SPAM,
    "no action": Verdict.CLEAN,
    "greylist": Verdict.CLEAN,
    "soft reject": Verdict.CLEAN,  # what `greylist` becomes once the greylisting module has answered
}
"""Any other action (`discard`, `quarantine`, a site's own) says what was done, not what the mail is: UNKNOWN."""

_PHISHING = re.compile(r"PHISHING|PHISHED_\w+|\w+_PHISHING|PH_SURBL_MULTI")
_NOT_PHISHING = frozenset({"PHISHED_EXCLUDED", "PHISHED_WHITELISTED", "REDIRECTOR_FALSE", "URL_REDIRECTOR_NESTED"})
"""In the group `phishing`, but they say that a link was excused, or only how it redirects."""
_SCANNERS = "CLAMAV|FPROT|SOPHOS|SAVAPI|KASPERSKY|KASPERSKY_SE|AVAST|VADE_MALWARE|JUST_EICAR"
_VIRUS = re.compile(rf"\w+_VIRUS|{_SCANNERS}|(METADEFENDER|VIRUSTOTAL)_(LOW|MEDIUM|HIGH)")
"""`CLAM_VIRUS` and its like by convention; a scanner without `symbol` in its configuration bears its section's name."""
_NO_VIRUS = ("_FAIL", "_ERROR", "_EXCEEDED", "_ENCRYPTED", "_MACRO", "_CLEAN")
"""In the group `antivirus`, but they say that a scan failed, or what kind of file it was."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How an operator wants the lines read."""

    tenants: Tenants = field(default_factory=Tenants)
    trusted_networks: Sequence[IPv4Network | IPv6Network] = ()
    """Clients whose mail counts for its envelope sender when nobody logged in."""


def parse(line: bytes, reading: Reading, arrived_ms: int) -> Entry:
    """The verdict of one line, or why there is none; `arrived_ms` is for lines without a time of their own."""
    try:
        posted = json_object(line)
        client_ip = _known(posted, "ip")
        sender = _known(posted, "user")
        if sender is None:
            if not _is_trusted(client_ip, reading.trusted_networks):
                return Skipped(NO_USER)
            sender = _known(posted, "from")
            if sender is None:
                return Skipped(NULL_SENDER)
        sender = sender.lower()
        tenant = reading.tenants.of_sender(sender)
        if tenant is None:
            raise BadField(
                "user", "has no domain, so that its tenant is not known: name one for `*` in --tenants", found(sender)
            )
        internal, external = _recipients(posted, reading.tenants, tenant, domain_of(sender))
        time = posted.get("time")
        verdict = MessageVerdict(
            event_id=_event_id(posted),
            occurred_at_ms=arrived_ms if time is None else round(_number("time", time) * 1000),
            tenant_id=tenant,
            sender=sender,
            internal_recipients=internal,
            external_recipients=external,
            verdict=_verdict(posted),
            message_id=_message_id(posted),
            client_ip=client_ip,
            score=None if posted.get("score") is None else finite_score(_number("score", posted["score"])),
        )
        return Arrived(verdict) if time is None else verdict
    except BadField as error:
        return error.refused
    except InvalidVerdict as error:
        return Refused("time" if error.field == "occurred_at" else error.field, error.problem)


def _known(posted: Mapping[str, Any], key: str) -> str | None:
    """A text field; None when it is absent, empty, or rspamd's own word for absent."""
    if posted.get(key) is None:
        return None
    value = text(posted, key)
    return None if value in ("", "unknown", "undef") else value


def _event_id(posted: Mapping[str, Any]) -> str:
    event_id = _known(posted, "event_id")
    if event_id is not None:
        return event_id
    host = _known(posted, "rspamd_server") or _known(posted, "host") or "rspamd"
    name = _known(posted, "qid") or _known(posted, "message_id")
    if name is None:
        raise BadField("qid", "is missing, and so are event_id and message_id: nothing names this mail")
    return f"{host}/{name}"


def _message_id(posted: Mapping[str, Any]) -> str | None:
    """Without angle brackets, as rspamd has it; a formatter that keeps them is brought in line."""
    message_id = _known(posted, "message_id")
    return message_id.removeprefix("<").removesuffix(">") if message_id else None


def _recipients(posted: Mapping[str, Any], tenants: Tenants, tenant: str, sender_domain: str) -> tuple[int, int]:
    """Recipients inside and outside, as many as the envelope had.

    Duplicates count as often as they were given: each is a delivery that the account asked for, and the stock formatter,
    which normalises addresses, would otherwise count fewer than the other.
    """
    recipients = posted.get("rcpt")
    if recipients in (None, "unknown", {}):  # an empty Lua table can come out as an object
        return 0, 0
    if not isinstance(recipients, list):
        raise BadField("rcpt", "must be a list of addresses", found(recipients))
    internal = 0
    for recipient in recipients:
        if type(recipient) is not str:
            raise BadField("rcpt", "must be a list of addresses", found(recipient))
        _, at, domain = recipient.rpartition("@")
        internal += bool(at) and tenants.is_internal(canonical_domain(domain), tenant, sender_domain)
    return internal, len(recipients) - internal


def _verdict(posted: Mapping[str, Any]) -> Verdict:
    """From the action, over which symbols of the phishing and virus groups win."""
    if "action" not in posted:
        raise BadField("action", "is missing")
    action = text(posted, "action")
    phishing = False
    symbols = posted.get("symbols")
    for symbol in symbols if isinstance(symbols, list) else ():
        if not isinstance(symbol, dict) or type(name := symbol.get("name")) is not str:
            raise BadField("symbols", "must be a list of objects with a name", found(symbol))
        if _is_virus(name, symbol):
            return Verdict.MALWARE
        phishing = phishing or _is_phishing(name, symbol)
    if phishing:
        return Verdict.HIGH_CONFIDENCE_PHISH if action == "reject" else Verdict.PHISH
    return _VERDICT_OF_ACTION.get(action, Verdict.UNKNOWN)


def _is_virus(name: str, symbol: Mapping[str, Any]) -> bool:
    """Whatever its score: rspamd registers scanner symbols with 0, and lets the scanner force the action."""
    if name.endswith(_NO_VIRUS):
        return False
    return "antivirus" in _groups(symbol) or _VIRUS.fullmatch(name) is not None


def _is_phishing(name: str, symbol: Mapping[str, Any]) -> bool:
    """Only with a positive score: a site that gives a symbol none says that it does not matter."""
    score = symbol.get("score")
    if name in _NOT_PHISHING or not isinstance(score, int | float) or score <= 0:
        return False
    return "phishing" in _groups(symbol) or _PHISHING.fullmatch(name) is not None


def _groups(symbol: Mapping[str, Any]) -> Sequence[object]:
    groups = symbol.get("groups")
    return (*(groups if isinstance(groups, list) else ()), symbol.get("group"))


def _number(field: str, value: object) -> float:
    """A number, or one in text as rspamd's flattened fields have it; raises BadField."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise BadField(field, "must be a number", found(value)) from None
    if type(value) is not int and type(value) is not float:
        raise BadField(field, "must be a number", found(value))
    if not -1e15 < value < 1e15:
        raise BadField(field, "is out of range", found(value))
    return float(value)


def _is_trusted(client_ip: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    if client_ip is None or not networks:
        return False
    try:
        address = ip_address(client_ip)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)
