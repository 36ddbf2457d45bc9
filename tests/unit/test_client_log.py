"""What the Kafka client logs while a broker is away."""

import logging

from processor.kafka.client_log import Thinned


def _record(text: str) -> logging.LogRecord:
    return logging.LogRecord("kafka.client", logging.ERROR, __file__, 1, text, (), None)


def test_one_message_of_a_kind_passes_in_ten_seconds_and_the_next_says_how_many_did_not() -> None:
    now_s = [0.0]
    thinned = Thinned(lambda: now_s[0])
    assert thinned.filter(_record("FAIL one"))
    assert [thinned.filter(_record("FAIL more")) for _ in range(3)] == [False] * 3
    assert thinned.filter(_record("FENCED at once")), "another kind is told"
    now_s[0] = 10.0
    last = _record("FAIL again")
    assert thinned.filter(last)
    assert last.getMessage() == "FAIL again (and 3 like it before)"


def test_errors_without_a_function_to_tell_them_to_are_of_a_kind_by_what_they_say() -> None:
    thinned = Thinned(lambda: 0.0)
    head = "ERROR [senderwatch#consumer-1] [thrd:app]: senderwatch#consumer-1: "
    assert thinned.filter(
        _record(f"{head}127.0.0.1:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms)")
    )
    assert not thinned.filter(
        _record(f"{head}127.0.0.1:2/2: Connect to ipv4#127.0.0.1:2 failed: Connection refused (after 7ms)")
    )
    assert thinned.filter(_record(f"{head}2/2 brokers are down"))
    assert not thinned.filter(_record(f"{head}1/1 brokers are down"))
    assert thinned.filter(_record(f"{head}t [0]: desired partition is not available (Local: Unknown partition)"))
