"""`python -m tests.fuzz.guided TARGET COUNT SEED FOLDER`: what tests.fuzz.guiding starts. Ends its process itself."""

import os
import sys
import time
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["processor"]):
    import processor.audit.replay
    import processor.kafka.audit_source
    import processor.verdicts.batches  # noqa: F401
    from tests.fuzz import guiding
    from tests.fuzz.campaign import checked
    from tests.fuzz.registry import target_named
    from tests.fuzz.target import Found

_NOTE_EVERY_S = 0.5


def main(name: str, count: int, seed: int, place: Path) -> None:
    """Never returns."""
    with atheris.instrument_imports(include=["processor"]):
        target = target_named(name)
    for number, content in enumerate(target.seeds()):
        (place / "begin" / str(number)).write_bytes(content)
    outcomes: Counter[str] = Counter()
    noted_s = [time.monotonic()]

    def one(content: bytes) -> None:
        try:
            outcomes[checked(target, content)] += 1
        except Found as found:
            (place / "why").write_text(str(found))
            (place / "found").write_bytes(content)
            os._exit(1)
        done = outcomes.total()
        if time.monotonic() - noted_s[0] > _NOTE_EVERY_S or done >= count:
            guiding.note(place, outcomes)
            noted_s[0] = time.monotonic()
        if done >= count:
            sys.stdout.flush()
            os._exit(0)

    atheris.Setup(guiding.arguments(name, seed, place, target.longest), one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
