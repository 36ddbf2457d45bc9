"""What is wrong with a policy file: every problem at its place, told so that it can be mended without looking anything up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. `line` and `column` count from 1; `field` is the path of keys to it, empty for the file itself."""

    line: int
    column: int
    field: str
    given: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{self.line}:{self.column}: {where}given {self.given}, expected {self.expected}"


class PolicyFileError(Exception):
    """A policy file that cannot be used. `problems` are all that were found, in the order of the file; never none."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(text: str, at_most: int = 60) -> str:
    """`text` as a message may quote it: on one line, nothing invisible, not long."""
    escaped = repr(text[: at_most + 1])[1:-1]
    return escaped if len(escaped) <= at_most else f"{escaped[: at_most - 3]}..."
