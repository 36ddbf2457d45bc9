"""What can be wrong with a Kafka cluster or with our way to it, told apart by whose move it is."""


class BrokerUnreachable(Exception):
    """No broker answers. The text names the setting to look at and the client's reason."""

    def __init__(self, bootstrap_servers: str, reason: str) -> None:
        super().__init__(f"no broker answers at {bootstrap_servers} (setting kafka.bootstrap_servers): {reason}")


class BrokerRefused(BrokerUnreachable):
    """A broker answers, but TLS or the login fails. The text names the settings to look at and the reason."""

    def __init__(self, bootstrap_servers: str, reason: str) -> None:
        Exception.__init__(
            self,
            f"the broker at {bootstrap_servers} cannot be talked to: {reason} (settings kafka.properties and kafka.property_files: "
            "security.protocol, ssl.*, sasl.*)",
        )


class RejectedProperty(Exception):
    """The client refuses one of its properties. The text is the client's own, which names the property."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} (settings kafka.properties, consumer_properties, producer_properties)")
