"""senderwatch: stops compromised accounts from sending spam, on Apache Kafka."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("senderwatch")
except PackageNotFoundError:  # pragma: no cover - a checkout that was never installed
    __version__ = "0+unknown"
