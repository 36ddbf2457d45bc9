"""One campaign of a target without coverage: inputs by seeded mutation, one at a time or by the thousand."""

from collections import Counter
from collections.abc import Callable

from tests.fuzz.bounds import TookTooLong, growth, within
from tests.fuzz.corpus import cases
from tests.fuzz.mutations import Mutations
from tests.fuzz.target import Found, Target

_LOOK_AT_MEMORY = 64
Progress = Callable[[int], None]


def checked(target: Target, content: bytes) -> str:
    """The outcome's class. Raises Found for an input that breaks the law."""
    try:
        with within(target.limit_s):
            return target.check(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    except (Exception, TookTooLong) as broken:
        raise Found(content, f"{type(broken).__name__}: {broken}"[:2000]) from broken


def run(
    target: Target, count: int, seed: int, progress: Progress = lambda _: None, into: Counter[str] | None = None
) -> Counter[str]:
    """Check `count` inputs; how many there were of each outcome, counted in `into`. Raises Found."""
    outcomes: Counter[str] = Counter() if into is None else into
    memory = growth(target.memory_mb)
    if target.in_bulk is not None:
        for outcome, number in target.in_bulk(seed, count):
            outcomes[outcome] += number
            progress(number)
        memory()
        return outcomes
    mutations = Mutations(target, seed, [*target.seeds(), *cases(target.name)])
    for number in range(count):
        content = mutations.next()
        outcome = checked(target, content)
        if outcome not in outcomes:
            mutations.keep(content)
        outcomes[outcome] += 1
        progress(1)
        if number % _LOOK_AT_MEMORY == 0:
            try:
                memory()
            except AssertionError as grown:
                raise Found(content, str(grown)) from grown
    return outcomes
