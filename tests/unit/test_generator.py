"""Generated traffic: the same for the same seed, well-formed, and with exactly the trouble that it promises."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor import avro
from processor.verdicts import generated
from processor.verdicts.event import SPAM_VERDICTS, Verdict
from processor.verdicts.generator import Batch, Traffic, compromised, generate

END_MS = 1_795_485_590_000
HOUR_MS = 3_600_000
PREFIX = avro.single_object_prefix("MessageVerdict")


def _all(traffic: Traffic, prefix: bytes = b"", batch_records: int = 20_000) -> Batch:
    batches = list(generate(traffic, prefix, batch_records))
    return Batch(
        [key for batch in batches for key in batch.keys],
        [value for batch in batches for value in batch.values],
        np.concatenate([batch.occurred_at_ms for batch in batches]),
    )


def _decoded(traffic: Traffic) -> list[dict[str, Any]]:
    return [avro.decode_body("MessageVerdict", value) for value in _all(traffic).values]


@given(st.integers(0, 2**64 - 1), st.integers(1, 2_000), st.integers(1, 700), st.floats(0, 2), st.integers(1, 2_000))
@settings(max_examples=25, deadline=None)
def test_the_same_traffic_is_the_same_bytes_however_it_is_cut(
    seed: int, records: int, batch_records: int, skew: float, senders: int
) -> None:
    traffic = Traffic(records, END_MS, seed, senders=senders, skew=skew, compromised=min(3, senders))
    whole, cut = _all(traffic, PREFIX), _all(traffic, PREFIX, batch_records)
    assert (whole.keys, whole.values) == (cut.keys, cut.values)
    assert whole.occurred_at_ms.tolist() == cut.occurred_at_ms.tolist()


def test_another_seed_is_other_traffic() -> None:
    first, second = (_all(Traffic(1000, END_MS, seed)) for seed in (1, 2))
    assert not set(first.values) & set(second.values)


@given(st.integers(0, 2**64 - 1), st.sampled_from([1, 33, 10_000]), st.sampled_from([1, 3_000, 5_000_000]))
@settings(max_examples=15, deadline=None)
def test_payloads_are_what_fastavro_writes(seed: int, tenants: int, senders: int) -> None:
    traffic = Traffic(300, END_MS, seed, senders=senders, tenants=tenants, skew=0, compromised=1)
    batch = _all(traffic, PREFIX)
    for key, value, occurred_at_ms in zip(*batch, strict=True):
        assert value.startswith(PREFIX)
        body = value[len(PREFIX) :]
        record = avro.decode_body("MessageVerdict", body)
        assert avro.encode_body("MessageVerdict", record) == body
        assert record["occurred_at"] == occurred_at_ms
        assert record["sender"].encode() == key
        assert record["sender"].endswith("@" + record["tenant_id"])
        assert record["message_id"].endswith("@" + record["tenant_id"])


def _row(bits: int, score: float | None, **numbers: int) -> generated.Rows:
    scores = np.array([np.nan if score is None else score], np.float32)
    names = np.array([bits], np.uint64)
    columns = {name: np.array([value], np.int64) for name, value in numbers.items()}
    return generated.Rows(event=names, mail=names, score=scores, score_bits=scores.view(np.uint32), **columns)


@given(
    occurred_at_ms=st.integers(0, 2**50),
    sender=st.integers(0, 2**31 - 1),
    tenant=st.integers(0, 99_999),
    client_ip=st.integers(0, 2**32 - 1),
    recipients=st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)),
    verdict=st.sampled_from(Verdict),
    score=st.none() | st.floats(width=32, allow_nan=False),
    bits=st.integers(0, 2**64 - 1),
)
@settings(max_examples=50, deadline=None)
def test_the_kernel_writes_any_row(
    *,
    occurred_at_ms: int,
    sender: int,
    tenant: int,
    client_ip: int,
    recipients: tuple[int, int],
    verdict: Verdict,
    score: float | None,
    bits: int,
) -> None:
    rows = _row(
        bits, score, occurred_at_ms=occurred_at_ms, tenant=tenant, sender=sender, client_ip=client_ip,
        internal_recipients=recipients[0], external_recipients=recipients[1], verdict=verdict,
    )  # fmt: skip
    out, places = np.zeros(generated.ROW_MAX, np.uint8), generated.new_places(1)
    generated.write(rows, _NAMES, np.zeros(16, np.uint8), out, places)
    record = avro.decode_body("MessageVerdict", out[16 : places.end[0]].tobytes())
    octets = ".".join(str(client_ip >> shift & 0xFF) for shift in (24, 16, 8, 0))
    assert record == {
        "event_id": _crockford(bits, 13),
        "occurred_at": occurred_at_ms,
        "tenant_id": generated.domain(tenant),
        "sender": generated.account(sender, tenant),
        "message_id": f"{_crockford(bits, 8)}@{generated.domain(tenant)}",
        "client_ip": octets,
        "internal_recipients": recipients[0],
        "external_recipients": recipients[1],
        "verdict": verdict.name,
        "score": score,
    }


_NAMES = generated.names(100_000)


def _crockford(bits: int, length: int) -> str:
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[bits >> 5 * i & 31] for i in range(length))


def test_the_longest_names_stay_within_what_the_kernel_may_write() -> None:
    longest = generated.account(2**31, 10**6)
    domain = max((generated.domain(10**6 - back) for back in range(1, 100)), key=len)
    assert len(longest) + 5 < 64, "lengths are written as one byte"
    assert 16 + 14 + 10 + 1 + len(domain) + 6 + len(longest) + 11 + len(domain) + 17 + 11 + 5 < generated.ROW_MAX


def test_accounts_have_names_of_their_own() -> None:
    names = {generated.account(sender, 0) for sender in range(10_000)}
    assert len(names) == 10_000


def test_event_ids_never_repeat() -> None:
    start = len(PREFIX) + 1
    values = _all(Traffic(50_000, END_MS), PREFIX).values
    assert len({value[start : start + 13] for value in values}) == 50_000


def test_times_fill_the_hours_before_the_end_almost_in_order() -> None:
    traffic = Traffic(20_000, END_MS, hours=6)
    times = _all(traffic).occurred_at_ms
    assert times.max() <= END_MS
    assert times.max() > END_MS - 60_000
    assert times.min() > traffic.start_ms - 600_001
    assert times.min() < traffic.start_ms + 60_000
    backwards = np.maximum.accumulate(times) - times
    assert 0.05 < (backwards > 0).mean() < 0.6, "some come in late"
    assert (backwards < 60_000).mean() > 0.99, "but few of them much"


def test_a_day_has_its_rhythm() -> None:
    hours = Counter((_all(Traffic(50_000, END_MS)).occurred_at_ms // HOUR_MS % 24).tolist())
    assert hours[10] > 10 * hours[3]


@pytest.mark.parametrize(("skew", "least", "most"), [(0.0, 0.0, 0.003), (0.5, 0.004, 0.05), (1.0, 0.08, 0.25)])
def test_skew_says_how_much_the_busiest_sends(skew: float, least: float, most: float) -> None:
    keys = Counter(_all(Traffic(50_000, END_MS, senders=1_000, skew=skew, compromised=0)).keys)
    assert least < keys.most_common(1)[0][1] / 50_000 < most


def test_even_senders_are_all_there() -> None:
    assert len(set(_all(Traffic(50_000, END_MS, senders=1_000, skew=0)).keys)) == 1_000


def test_tenants_differ_in_size_and_a_sender_keeps_his() -> None:
    tenant_of: dict[str, set[str]] = defaultdict(set)
    for record in _decoded(Traffic(20_000, END_MS, senders=2_000, tenants=20)):
        tenant_of[record["sender"].partition("@")[0]].add(record["tenant_id"])
    assert {len(tenants) for tenants in tenant_of.values()} == {1}
    sizes = Counter(next(iter(tenants)) for tenants in tenant_of.values())
    assert len(sizes) == 20
    assert max(sizes.values()) > 2 * min(sizes.values())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_by_the_default_limits_the_compromised_accounts_stand_out_and_nobody_else(seed: int) -> None:
    traffic = Traffic(30_000, END_MS, seed, senders=3_000, tenants=80)
    bad = {account.sender for account in compromised(traffic)}
    spam_of: Counter[str] = Counter()
    spam_of_hour: Counter[tuple[str, int]] = Counter()
    recipients: Counter[str] = Counter()
    spam_names = {verdict.name for verdict in SPAM_VERDICTS}
    for record in _decoded(traffic):
        sender, is_spam = record["sender"], record["verdict"] in spam_names
        spam_of[sender] += is_spam
        spam_of_hour[sender, record["occurred_at"] // HOUR_MS] += is_spam
        recipients[sender] += record["internal_recipients"] + record["external_recipients"]
    over = {sender for sender, spam in spam_of.items() if spam > 30}
    over |= {sender for (sender, _), spam in spam_of_hour.items() if spam > 10}
    over |= {sender for sender, count in recipients.items() if count > 1000}
    assert len(bad) == 5
    assert over == bad


def test_a_campaign_starts_when_it_is_said_to() -> None:
    traffic = Traffic(50_000, END_MS, compromised=3, campaign_per_hour=600)
    starts = {account.sender: account for account in compromised(traffic)}
    assert [account.from_ms for account in starts.values()] == sorted(account.from_ms for account in starts.values())
    before, after = Counter[str](), Counter[str]()
    for record in _decoded(traffic):
        account = starts.get(record["sender"])
        if account is not None:
            assert record["tenant_id"] == account.tenant_id
            is_campaign = record["client_ip"].startswith("198.")
            (after if record["occurred_at"] >= account.from_ms else before)[account.sender] += is_campaign
    assert set(before.values()) <= {0}
    assert min(after[sender] for sender in starts) > 100


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"records": -1}, "records"),
        ({"senders": 0}, "senders"),
        ({"tenants": 0}, "tenants"),
        ({"skew": -0.1}, "skew"),
        ({"skew": 4}, "skew"),
        ({"hours": 0}, "hours"),
        ({"compromised": 11, "senders": 10}, "compromised"),
        ({"end_ms": 5}, "1970"),
        ({"senders": 2**31 + 1}, "senders"),
    ],
)
def test_traffic_that_makes_no_sense_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Traffic(**{"records": 1, "end_ms": END_MS, **changes})


def test_no_records_are_no_batches() -> None:
    assert list(generate(Traffic(0, END_MS))) == []


def test_a_record_takes_little_room() -> None:
    values = _all(Traffic(20_000, END_MS, senders=5_000_000, skew=0), PREFIX).values
    assert 95 < sum(map(len, values)) / len(values) < 125
