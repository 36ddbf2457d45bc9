"""What can be wrong with a Kafka cluster or with our way to it, told apart by whose move it is."""

import re

_NO_KAFKA = re.compile(r"Invalid response size (\d+)")
"""The first bytes of an answer, which the client takes for its length."""
_VAGUE = re.compile("brokers are down|Failed to get metadata|^Local: (Broker transport failure|Timed out)")


class BrokerUnreachable(Exception):
    """No broker answers. The text names the setting to look at and the client's reason."""

    def __init__(self, bootstrap_servers: str, reason: str) -> None:
        super().__init__(
            f"no broker answers at {bootstrap_servers} (setting kafka.bootstrap_servers): {_in_words(reason)}"
        )


def _in_words(reason: str) -> str:
    """The client's reason, and where it says little or misleads, what it means."""
    strange = _NO_KAFKA.search(reason)
    if strange is not None and int(strange[1]) < 1 << 32:
        said = int(strange[1]).to_bytes(4, "big").decode("ascii", "backslashreplace")
        return f"something else than Kafka listens there, whose answer begins with {said!r}"
    if _VAGUE.search(reason):
        return f"nothing comes from there that is Kafka's: is it Kafka's port, and is the broker well? ({reason})"
    return reason


class BrokerRefused(BrokerUnreachable):
    """A broker answers, but TLS or the login fails. The text names the settings to look at and the reason."""

    def __init__(self, bootstrap_servers: str, reason: str) -> None:
        Exception.__init__(
            self,
            f"the broker at {bootstrap_servers} cannot be talked to: {reason} (settings kafka.properties and kafka.property_files: "
            "security.protocol, ssl.*, sasl.*)",
        )


class RejectedProperty(Exception):
    """The client refuses one of its properties, or cannot read the file that one names. The text names the property."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} (settings kafka.properties, consumer_properties, producer_properties)")
