"""The tests here run where there is a Java that the registry can run on; the summary says where there is none."""

from collections.abc import Iterator

import pytest

from tests.registry import JAVA_NEEDED, RealRegistry, find_java

JAVA = find_java()

collect_ignore_glob = [] if JAVA else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for those who wonder what was tested."""
    if JAVA is None:
        terminalreporter.write_line(
            f"not tested: a real schema registry, for want of Java {JAVA_NEEDED} or newer (JAVA_HOME, PATH, /usr/lib/jvm)"
        )
    else:
        terminalreporter.write_line(f"tested with a real schema registry, run by {JAVA}")


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """The registry that tests share; each uses subjects of its own."""
    assert JAVA is not None
    registry = RealRegistry(JAVA, tmp_path_factory.mktemp("registry") / "registry.log")
    try:
        registry.start()
        yield registry
    finally:
        registry.stop()
