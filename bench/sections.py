"""The sections of the benchmark besides the costs of a record, by the names that `--section` takes."""

from collections.abc import Callable, Mapping

from bench import changelog, comparison, latency, memory, notifier, pair, restoring, sustained, vast
from bench.ground import Ground, Report

SECTIONS: Mapping[str, Callable[[Ground], Report]] = {
    "contenders": comparison.section,
    "restore": restoring.section,
    "latency": latency.section,
    "memory": memory.section,
    "vast": vast.section,
    "pair": pair.section,
    "changelog": changelog.section,
    "sustained": sustained.section,
    "notifier": notifier.section,
}
"""In the order in which they run."""
COSTS = "costs"
"""The section in bench.__main__: what a record costs each of the contenders."""
