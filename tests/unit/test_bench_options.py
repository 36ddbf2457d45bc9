"""What the benchmark refuses before it measures, how it is stopped, and that its pictures need a whole file."""

import os
import signal
from pathlib import Path

import pytest

from bench import options, plots
from bench.once import NotAlone, Stopped, alone, stopped_by_signals


def test_mail_of_ones_own_is_one_spread_instead_of_both(tmp_path: Path) -> None:
    out = str(tmp_path / "new" / "o.json")
    own = options.chosen(["--senders", "500", "--skew", "0.5", "--section", "costs", "--out", out])
    assert own.spreads == ("own",)
    assert own.traffic == ("--senders", "500", "--skew", "0.5")
    usual = options.chosen(["--quick", "--out", out])
    assert (usual.spreads, usual.traffic, usual.runs) == (("skewed", "even"), (), options.QUICK_RUNS)
    assert not Path(out).exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--runs", "0"], "--runs: must be from 1"),
        (["--records", "-1"], "--records: must be from 1"),
        (["--skew", "nan"], "--skew: must be from 0 to 3"),
        (["--runs", "2", "--section", "memory"], "--runs is for the section costs"),
        (["--senders", "9", "--section", "latency"], "--senders is for the sections costs and contenders"),
        (["--seed", "0", "--only", "even"], "leave out --only"),
        (["--senders", "9"], "more accounts are compromised"),
        (["--policies", "none.yaml"], "there is no file none.yaml"),
        (["--out", "/dev/null/x.json"], "cannot write /dev/null/x.json"),
        (["--out", "/"], "cannot write /"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_anything_runs(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        options.chosen(words)
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_and_further_ones_do_not_disturb_the_end(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopped_by_signals():
        with pytest.raises(Stopped) as caught:
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
    assert (caught.value.number, caught.value.name) == (number, number.name)
    assert signal.getsignal(signal.SIGTERM) is before


def test_one_benchmark_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "cache" / "lock"
    with alone(lock), pytest.raises(NotAlone, match="another benchmark"), alone(lock):
        pass
    with alone(lock):
        pass


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"vast":', "is damaged"),
        ("[]", "is damaged"),
        ('{"vast": {"results": [{}]}}', "is damaged"),
        ('{"machine": {}}', "has none of the sections"),
        (None, "No such file"),
    ],
)
def test_pictures_of_no_whole_file_are_refused_in_a_line(
    content: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    if content is not None:
        figures.write_text(content)
    assert plots.main([str(figures), str(tmp_path / "pictures")]) == 1
    assert why in capsys.readouterr().err


def test_policies_that_cannot_hold_are_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text("policies: 3")
    with pytest.raises(SystemExit) as ended:
        options.chosen(["--section", "costs", "--policies", str(file)])
    assert ended.value.code == 2
    assert "1:11: policies: given 3" in capsys.readouterr().err
