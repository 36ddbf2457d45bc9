"""The policy file: YAML to a set of policies that is always valid (design, section 5).

What is not given has its default. Everything that is wrong is told at once.
"""

import hashlib

from processor.policies.document import document, place_of
from processor.policies.policy import Policy, PolicySet
from processor.policies.problems import PolicyFileError, Problem
from processor.policies.reading import policy_set
from processor.policies.section import Section


def parse(text: str) -> PolicySet:
    """The policies in `text`, with the hash of its bytes as version. Raises PolicyFileError."""
    problems: list[Problem] = []
    policies = policy_set(Section(document(text, problems), "", problems), version_of(text), Policy())
    if problems:
        raise PolicyFileError(problems)
    return policies


def decoded(content: bytes) -> str:
    """The text of a file's bytes. Raises PolicyFileError when they are not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = place_of(content[: error.start].decode("utf-8"), len(content))
        given = f"the byte {content[error.start]:02x}, which is not UTF-8"
        raise PolicyFileError([Problem(place.line, place.column, "", given, "text in UTF-8")]) from None


def version_of(text: str) -> str:
    """What events call the policies of a file that has no number: `sha256:` and the start of the hash of its bytes."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8')).hexdigest()[:12]}"
