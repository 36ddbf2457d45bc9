"""The versions of the policies that a journal names, for whoever lives it through again."""

from typing import Any, cast

from processor.policies.policy import BUILT_IN_VERSION, PolicySet
from processor.settings import Settings
from processor.workers.reliving import Versions


def test_who_has_adopted_a_version_is_given_the_same_again() -> None:
    """A warm-up asks before each run, and to adopt anew costs what a million senders cost."""
    known: dict[str, PolicySet] = {"sha256:1": PolicySet()}
    first, second = (Versions(Settings(), cast("Any", None), known) for _ in range(2))
    for version in (BUILT_IN_VERSION, "sha256:1"):
        assert first.of(version) is first.of(version) is second.of(version) is not None
