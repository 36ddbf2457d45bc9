"""What rspamd posts, as verdicts: every odd recorded mail, and the rules that the recordings do not reach."""

import json
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.reading import Arrived, Entry, Refused, Skipped
from processor.verdicts.rspamd import NO_USER, NULL_SENDER, Reading, parse
from processor.verdicts.tenants import Tenants

RECORDINGS = Path(__file__).parent.parent / "recordings"
ARRIVED_MS = 1_795_490_000_000
ALICE, SHARED, TAGONLY = "alice@e2e.test", "shared@e2e.test", "tagonly@e2e.test"
CLEAN, SPAM, REJECTED = Verdict.CLEAN, Verdict.SPAM, Verdict.HIGH_CONFIDENCE_SPAM
LOCAL = "127.0.0.1"

CASES: list[tuple[str, str | None, str | None, int, int, Verdict | None, float | None]] = [
    # what it is, sender (None: skipped), client, recipients inside and outside, verdict, score
    ("plain", ALICE, LOCAL, 0, 1, CLEAN, 0),
    ("IPv4 client", ALICE, "203.0.113.7", 0, 1, CLEAN, 0),
    ("nobody logged in", None, None, 0, 0, None, None),
    ("IPv6 client", ALICE, "2001:db8::7", 0, 1, CLEAN, 0),
    ("nobody logged in, from a relay", None, None, 0, 0, None, None),
    ("marked as spam", ALICE, LOCAL, 0, 1, SPAM, 8),
    ("rejected", ALICE, LOCAL, 0, 1, REJECTED, 20),
    ("marked, where rejecting is off", TAGONLY, LOCAL, 0, 1, SPAM, 20),
    ("50 recipients", ALICE, LOCAL, 10, 40, CLEAN, 5),
    ("1,500 recipients", ALICE, LOCAL, 0, 1_500, CLEAN, 5),
    ("one recipient four times over", ALICE, LOCAL, 0, 4, CLEAN, 0),
    ("From with UTF-8 address, unreadable for rspamd", ALICE, LOCAL, 0, 1, SPAM, 8),
    ("From at an IDN domain", ALICE, LOCAL, 0, 1, CLEAN, 0),
    ("user, envelope and From are three", SHARED, LOCAL, 0, 1, CLEAN, 1.55),
    ("plus address in another case", ALICE, LOCAL, 0, 1, CLEAN, 0),
    ("null envelope sender", ALICE, LOCAL, 0, 1, CLEAN, 0),
    ("no Message-ID: Postfix made one", ALICE, LOCAL, 0, 1, CLEAN, 0),
    ("two From headers", ALICE, LOCAL, 0, 1, SPAM, 8),
    ("subject in Latin-1", ALICE, LOCAL, 0, 1, CLEAN, 1),
    ("quotes and braces in the envelope sender", ALICE, LOCAL, 0, 1, CLEAN, 0.3),
    ("line end in the subject", ALICE, LOCAL, 0, 1, CLEAN, 1.2),
    ("five megabytes", ALICE, LOCAL, 0, 1, CLEAN, 0),
    *[(f"plain, number {number}", ALICE, LOCAL, 0, 1, CLEAN, 0.0) for number in range(23, 34)],
]


def _recorded(name: str) -> list[bytes]:
    return (RECORDINGS / name).read_bytes().splitlines()


def _verdict(entry: Entry) -> MessageVerdict:
    assert not isinstance(entry, Refused | Skipped), entry
    return entry.verdict if isinstance(entry, Arrived) else entry


@pytest.mark.parametrize("recording", ["rspamd-cases-timed.jsonl", "rspamd-cases-stock.jsonl"])
@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_each_odd_mail_becomes_what_the_table_says(recording: str, number: int) -> None:
    lines = _recorded(recording)
    assert len(lines) == len(CASES)
    entry = parse(lines[number], Reading(), ARRIVED_MS)
    _, sender, client_ip, internal, external, verdict, score = CASES[number]
    if sender is None:
        assert entry == Skipped(NO_USER)
        return
    posted = json.loads(lines[number])
    found = _verdict(entry)
    assert found == MessageVerdict(
        event_id=f"vm/{posted['qid']}",
        occurred_at_ms=round(posted["time"] * 1000) if "time" in posted else ARRIVED_MS,
        tenant_id="e2e.test",
        sender=sender,
        internal_recipients=internal,
        external_recipients=external,
        verdict=verdict or Verdict.UNKNOWN,
        message_id=posted["message_id"],
        client_ip=client_ip,
        score=score,
    )
    assert isinstance(entry, Arrived) is ("stock" in recording)


def test_both_formatters_say_the_same_of_the_same_mail() -> None:
    timed = [_verdict(parse(line, Reading(), ARRIVED_MS)) for line in _recorded("rspamd-day-timed.jsonl")]
    stock = [_verdict(parse(line, Reading(), ARRIVED_MS)) for line in _recorded("rspamd-day-stock-first-300.jsonl")]
    by_event = {verdict.event_id: verdict for verdict in timed}
    assert len(by_event) == 2000
    for verdict in stock:
        record = verdict.to_record()
        assert record == by_event[verdict.event_id].to_record() | {"occurred_at": ARRIVED_MS}


def test_the_recorded_day_has_three_accounts_that_turned_bad() -> None:
    spam: Counter[str] = Counter()
    for line in _recorded("rspamd-day-timed.jsonl"):
        verdict = _verdict(parse(line, Reading(), ARRIVED_MS))
        spam[verdict.sender] += verdict.verdict is not Verdict.CLEAN
    worst = [sender for sender, _ in spam.most_common(3)]
    assert sorted(worst) == ["bram.visser@org108.test", "gwen.bakker@org100.test", "joost.bakker@org106.test"]


def test_mail_from_a_trusted_network_counts_for_its_envelope_sender() -> None:
    trusting = Reading(trusted_networks=[ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])
    for recording in ("rspamd-cases-timed.jsonl", "rspamd-cases-stock.jsonl"):
        entries = [parse(line, trusting, ARRIVED_MS) for line in _recorded(recording)]
        assert entries[2] == Skipped(NO_USER), "203.0.113.8 is not trusted"
        assert _verdict(entries[4]).sender == ALICE


BASE: dict[str, Any] = {
    "time": 1_795_485_220.881,
    "event_id": "mx1/4jYQ",
    "user": "Ann@Org.test",
    "from": "ann@org.test",
    "rcpt": ["x@else.test"],
    "action": "no action",
    "symbols": [],
    "score": 0,
    "ip": "192.0.2.1",
}


def _parsed(reading: Reading | None = None, /, **changes: Any) -> Entry:
    posted = {key: value for key, value in {**BASE, **changes}.items() if value is not ...}
    return parse(json.dumps(posted).encode(), reading or Reading(), ARRIVED_MS)


def _judged(action: str, *symbols: dict[str, Any]) -> Verdict:
    return _verdict(_parsed(action=action, symbols=list(symbols))).verdict


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        ("reject", Verdict.HIGH_CONFIDENCE_SPAM),
        ("add header", Verdict.SPAM),
        ("rewrite subject", Verdict.SPAM),
        ("no action", Verdict.CLEAN),
        ("greylist", Verdict.CLEAN),
        ("soft reject", Verdict.CLEAN),
        ("discard", Verdict.UNKNOWN),
        ("quarantine", Verdict.UNKNOWN),
        ("my own action", Verdict.UNKNOWN),
    ],
)
def test_the_action_gives_the_verdict(action: str, verdict: Verdict) -> None:
    assert _judged(action, {"name": "R_UNDISC_RCPT", "score": 3.0, "group": "headers"}) is verdict


@pytest.mark.parametrize(
    "symbol",
    [
        {"name": "PHISHING", "score": 4.0},
        {"name": "PHISHED_OPENPHISH", "score": 7.0},
        {"name": "HACKED_WP_PHISHING", "score": 4.5},
        {"name": "PH_SURBL_MULTI", "score": 7.5, "group": "surblorg", "groups": ["surblorg", "phishing"]},
        {"name": "OUR_OWN_RULE", "score": 1.0, "group": "phishing"},
    ],
)
def test_a_phishing_symbol_wins_over_the_action(symbol: dict[str, Any]) -> None:
    assert _judged("no action", symbol) is Verdict.PHISH
    assert _judged("add header", symbol) is Verdict.PHISH
    assert _judged("reject", symbol) is Verdict.HIGH_CONFIDENCE_PHISH


@pytest.mark.parametrize(
    "symbol",
    [
        {"name": "PHISHED_WHITELISTED", "score": 0.1, "group": "phishing"},
        {"name": "PHISHED_EXCLUDED", "score": 0.1, "group": "phishing"},
        {"name": "REDIRECTOR_FALSE", "score": 0.1, "group": "phishing"},
        {"name": "URL_REDIRECTOR_NESTED", "score": 1.0, "group": "phishing"},
        {"name": "PHISHING", "score": 0.0, "group": "phishing"},
        {"name": "PHISHING", "score": None, "group": "phishing"},
        {"name": "CLAM_VIRUS_FAIL", "score": 0.0, "group": "antivirus"},
        {"name": "CLAM_VIRUS_ENCRYPTED", "score": 1.0, "group": "antivirus"},
        {"name": "CLAM_VIRUS_MACRO", "score": 1.0, "group": "antivirus"},
        {"name": "VIRUSTOTAL_CLEAN", "score": -0.5, "group": "antivirus"},
        {"name": "RBL_VIRUSFREE_BOTNET", "score": 2.0, "group": "rbl"},
    ],
)
def test_a_symbol_that_excuses_or_only_notes_leaves_the_action_alone(symbol: dict[str, Any]) -> None:
    assert _judged("add header", symbol) is Verdict.SPAM


@pytest.mark.parametrize(
    "symbol",
    [
        {"name": "CLAM_VIRUS", "score": 0.0},
        {"name": "SOPHOS_VIRUS", "score": 8.0},
        {"name": "CLAMAV", "score": 0.0},
        {"name": "JUST_EICAR", "score": 0.0, "group": "antivirus"},
        {"name": "OUR_SCANNER", "score": 0.0, "groups": ["antivirus"]},
        {"name": "METADEFENDER_HIGH", "score": 8.0},
    ],
)
def test_a_virus_symbol_wins_over_everything_whatever_its_score(symbol: dict[str, Any]) -> None:
    assert _judged("no action", {"name": "PHISHING", "score": 4.0}, symbol) is Verdict.MALWARE


def test_the_event_is_named_by_host_and_queue_id_or_else_by_host_and_message_id() -> None:
    assert _verdict(_parsed(event_id=..., host="mx1", qid="4jYQ")).event_id == "mx1/4jYQ"
    assert _verdict(_parsed(event_id=..., rspamd_server="mx2", qid="unknown", message_id="1@a")).event_id == "mx2/1@a"
    refused = _parsed(event_id=..., message_id="undef", qid=...)
    assert isinstance(refused, Refused)
    assert refused.field == "qid"


def test_absent_and_unknown_mean_the_same() -> None:
    for word in (..., "unknown", None):
        verdict = _verdict(_parsed(ip=word, rcpt=word, message_id=word, score=None))
        assert (verdict.client_ip, verdict.message_id, verdict.score) == (None, None, None)
        assert (verdict.internal_recipients, verdict.external_recipients) == (0, 0)
        assert _parsed(user=word) == Skipped(NO_USER)


def test_a_trusted_client_without_a_sender_is_skipped_too() -> None:
    trusting = Reading(trusted_networks=[ip_network("192.0.2.0/24")])
    assert _parsed(trusting, user=..., **{"from": ""}) == Skipped(NULL_SENDER)
    assert _verdict(_parsed(trusting, user=...)).sender == "ann@org.test"
    assert _verdict(_parsed(trusting, user=..., ip="::ffff:192.0.2.9")).sender == "ann@org.test"
    assert _parsed(trusting, user=..., ip="not an address") == Skipped(NO_USER)


def test_recipients_are_inside_by_the_map_of_tenants() -> None:
    reading = Reading(tenants=Tenants({"org.test": "org", "daughter.test": "org", "else.test": "else"}))
    recipients = [
        "a@org.test",
        "b@mail.ORG.test",
        "c@daughter.test",
        "d@else.test",
        "e@far.test",
        "nobody",
        "c@daughter.test",
    ]
    verdict = _verdict(_parsed(reading, rcpt=recipients))
    assert (verdict.tenant_id, verdict.internal_recipients, verdict.external_recipients) == ("org", 4, 3)


def test_a_bare_login_name_needs_a_tenant_for_everyone_else() -> None:
    refused = _parsed(user="ann")
    assert isinstance(refused, Refused)
    assert (refused.field, "--tenants" in refused.problem) == ("user", True)
    assert _verdict(_parsed(Reading(tenants=Tenants({"*": "org"})), user="ann")).tenant_id == "org"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": ...}, "action"),
        ({"action": 5}, "action"),
        ({"rcpt": "x@else.test"}, "rcpt"),
        ({"rcpt": [5]}, "rcpt"),
        ({"time": "soon"}, "time"),
        ({"time": 1e300}, "time"),
        ({"time": -5}, "time"),
        ({"score": [1]}, "score"),
        ({"user": 5}, "user"),
        ({"user": "\ud800@org.test"}, "user"),
        ({"symbols": [5]}, "symbols"),
        ({"symbols": [{"score": 1}]}, "symbols"),
    ],
)
def test_a_broken_field_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    refused = _parsed(**changes)
    assert isinstance(refused, Refused)
    assert refused.field == field


def test_raw_bytes_in_a_field_that_nobody_needs_do_no_harm() -> None:
    line = json.dumps({**BASE, "subject": "Gr??e"}).encode().replace(b"??", b"\xfc\xdf")
    assert _verdict(parse(line, Reading(), ARRIVED_MS)).sender == "ann@org.test"
    in_user = json.dumps({**BASE, "user": "?@org.test"}).encode().replace(b"?", b"\xfc")
    assert parse(in_user, Reading(), ARRIVED_MS) == Refused("user", "is not valid UTF-8", "found '\\udcfc@org.test'")


@given(st.dictionaries(st.sampled_from([*BASE, "qid", "host"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "score", "group"]), inner, max_size=3),
    max_leaves=6,
)))  # fmt: skip
def test_whatever_stands_in_the_fields_is_a_value_and_no_exception(changes: dict[str, Any]) -> None:
    trusting = Reading(trusted_networks=[ip_network("0.0.0.0/0")])
    line = json.dumps({**BASE, **changes}).encode()
    assert isinstance(parse(line, trusting, ARRIVED_MS), Arrived | MessageVerdict | Refused | Skipped)
