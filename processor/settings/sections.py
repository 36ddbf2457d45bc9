"""The sections of the settings, with each default and check."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from processor.settings.kinds import (
    Address,
    Addresses,
    Domain,
    Host,
    Name,
    PathName,
    Prefix,
    Properties,
    RegistryUrl,
    SecretFile,
    Selector,
    Servers,
    WebUrl,
    contents_of,
    secret_in,
)


class _Section(BaseModel):
    """A group of settings: immutable, and a name that it does not know is an error, not a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


class KafkaSettings(_Section):
    """How to reach Kafka. The three tables take any librdkafka property and win over senderwatch's own values."""

    bootstrap_servers: Servers = "127.0.0.1:9092"
    properties: Properties = Field(default_factory=dict, repr=False)
    consumer_properties: Properties = Field(default_factory=dict, repr=False)
    producer_properties: Properties = Field(default_factory=dict, repr=False)
    property_files: Annotated[Properties, AfterValidator(contents_of)] = Field(default_factory=dict, repr=False)
    """Given as property name to the file that holds its value, for secrets; kept as property name to value."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    read_in_batches: bool = True
    """Verdicts come from the client library a batch at a time where that can be; False: one Python object a record, at twice the cost."""


class _Login(_Section):
    """Who senderwatch is to a server; the password as it is or as the file that holds it."""

    user: str | None = None
    password: SecretStr | None = None
    password_file: SecretFile | None = None

    @model_validator(mode="after")
    def _password_from_file(self) -> Self:
        if self.password_file is not None:
            if self.password is not None:
                raise ValueError("password and password_file are both given; one is enough")
            self.__dict__["password"] = SecretStr(secret_in(self.password_file))  # frozen from here on
        if self.password is not None and self.user is None:
            raise ValueError("a password is given, but no user whose it is: nobody would log in")
        return self


class RegistrySettings(_Login):
    """The schema registry; without a url, records carry their schema's fingerprint and need no registry."""

    url: RegistryUrl | None = None
    ca_file: PathName | None = None
    auto_register: bool = True


class TopicSettings(_Section):
    """The topics' names and shape; `partitions` and `out_partitions` are the N and M of the design, chosen once."""

    prefix: Prefix = ""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
    out_partitions: Annotated[int, Field(ge=1, le=10_000)] = 4
    verdict_retention_hours: Annotated[int, Field(ge=26)] = 168
    """Counting again what happened in a day needs the verdicts of the day before it: never under 26 hours."""
    event_retention_days: Annotated[int, Field(ge=1)] = 365
    replication: Annotated[int, Field(ge=1, le=32_767)] | None = None
    """None leaves it to the broker's default.replication.factor."""


class PolicySettings(_Section):
    """Which set of policies is ours, where installations with other policies share the topic."""

    set_name: Name = "default"


class DetectorSettings(_Section):
    """The worker that counts and blocks. `slot` is its fixed name (a stateful set's pod, a systemd instance)."""

    group: Name = "senderwatch-detector"
    slot: Name | None = None
    commit_interval_ms: Annotated[int, Field(ge=1, le=60_000)] = 500
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 2_500
    """Few enough for a batch's messages to stay in the processor's cache: 10,000 cost a tenth more CPU."""
    changelog_sweep_bytes: Annotated[int, Field(ge=1)] = 4 * 1024 * 1024
    """A partition's changelog is swept when it is longer than this and than twice its state."""
    policies: PathName | None = None


class NotifierSettings(_Section):
    """The worker that tells people. `slot` is its fixed name (a stateful set's pod, a systemd instance)."""

    group: Name = "senderwatch-notifier"
    slot: Name | None = None
    policies: PathName | None = None
    outbox: PathName | None = None
    """A folder that takes the mails instead of the mail server."""
    sender_address: Address = "senderwatch@localhost"
    """Nobody reads it, and the mails say so."""
    sender_name: str = "Outbound spam protection"
    message_id_domain: Domain = "senderwatch.invalid"
    console_url: WebUrl | None = None
    """Where an admin can lift a block himself; without one the mails name support alone."""
    support_contact: str | None = None
    operators: Addresses = ()
    """Who is told when the brake holds blocks back."""
    templates: PathName | None = None
    """A folder whose files stand over the built-in templates of the same name."""
    dkim_selector: Selector | None = None
    dkim_key_file: PathName | None = None
    """The private key; read by the notifier alone, for other workers may not be allowed to."""
    dkim_domain: Domain | None = None
    """By default the domain of the sender_address."""
    max_connections: Annotated[int, Field(ge=1, le=100)] = 10
    max_connections_per_domain: Annotated[int, Field(ge=1, le=100)] = 3
    """So that a domain whose addresses answer slowly leaves room for all others."""
    shutdown_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    """How long mails under way may take to end when the worker is told to."""

    @model_validator(mode="after")
    def _dkim_whole(self) -> Self:
        if (self.dkim_selector is None) != (self.dkim_key_file is None):
            missing = "dkim_selector" if self.dkim_selector is None else "dkim_key_file"
            raise ValueError(f"dkim_selector and dkim_key_file go together; {missing} is not given")
        if self.dkim_domain is not None and self.dkim_key_file is None:
            raise ValueError("dkim_domain is given, but no dkim_selector and dkim_key_file to sign with")
        return self


class SmtpSettings(_Login):
    """The mail server that takes the notifications; timeouts in seconds, one for each phase."""

    host: Host = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    tls: Literal["none", "starttls", "tls"] = "none"
    ca_file: PathName | None = None
    connect_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    command_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    data_timeout_s: Annotated[float, Field(gt=0)] = 600.0


class LogSettings(_Section):
    """`auto` is readable on a terminal and JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class MetricsSettings(_Section):
    """Where /metrics, /livez and /readyz are served; no port, no server."""

    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """0 takes a free port, which the log names."""
    address: str = "127.0.0.1"


class Settings(_Section):
    """All settings of every command; each uses the sections that it needs."""

    kafka: KafkaSettings = KafkaSettings()
    schema_registry: RegistrySettings = RegistrySettings()
    topics: TopicSettings = TopicSettings()
    policies: PolicySettings = PolicySettings()
    detector: DetectorSettings = DetectorSettings()
    notifier: NotifierSettings = NotifierSettings()
    smtp: SmtpSettings = SmtpSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
