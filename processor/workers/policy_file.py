"""The policy file that an option or setting names, from the disk."""

from pathlib import Path

from processor.policies import file
from processor.policies.document import MAX_BYTES
from processor.policies.policy import PolicySet
from processor.policies.problems import PolicyFileError

_TOLD_PROBLEMS = 200
"""A list of a hundred thousand addresses in the wrong form is one thing to mend."""


class PolicyFileUnusable(Exception):
    """A policy file that cannot be read or is not valid. The text says all that is wrong, a line each: `FILE:LINE:COLUMN: ...`."""


def load(path: Path) -> PolicySet:
    """The policies in a file. Raises PolicyFileUnusable."""
    try:
        with path.open("rb") as opened:  # no more than can be used of what may have no end
            content = opened.read(MAX_BYTES + 1)
        if _says_nothing(content):
            raise PolicyFileUnusable(
                f"{path}: is empty: was it cut short? To go back to the built-in policies, write {{}}"
            )
        if len(content) > MAX_BYTES:
            raise PolicyFileUnusable(f"{path}: is longer than {MAX_BYTES // 2**20} MiB")
        return file.parse(file.decoded(content))
    except OSError as error:
        raise PolicyFileUnusable(f"{path}: cannot be read: {error.strerror or error}") from error
    except PolicyFileError as error:
        told = [f"{path}:{problem}" for problem in error.problems[:_TOLD_PROBLEMS]]
        more = len(error.problems) - len(told)
        if more > 0:
            told.append(f"{path}: and {more:,} problems more")
        raise PolicyFileUnusable("\n".join(told)) from error


def _says_nothing(content: bytes) -> bool:
    """Whether there are but comments: to put that in force would take every policy away."""
    lines = (line.strip() for line in content.removeprefix(b"\xef\xbb\xbf").splitlines())
    return all(not line or line.startswith(b"#") or line in (b"---", b"...", b"null", b"~") for line in lines)
