"""The sections of the benchmark besides the costs of a record, by the names that `--section` takes."""

from collections.abc import Callable, Mapping

from bench.ground import Ground, Report

SECTIONS: Mapping[str, Callable[[Ground], Report]] = {}
"""In the order in which they run."""
COSTS = "costs"
"""The section in bench.__main__: what a record costs each of the contenders."""
