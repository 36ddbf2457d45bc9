"""Every setting, its default and its check, and where the values come from.

A TOML file, then `SENDERWATCH_*` variables, then options of the command line; a later one wins, setting by setting.
`[kafka] bootstrap_servers` of the file is the variable SENDERWATCH_KAFKA__BOOTSTRAP_SERVERS, and messages call it
kafka.bootstrap_servers. Secrets can be given as files; they are never part of a message, a repr or a log line.
"""

from processor.settings.loading import DEFAULT_FILE, SettingsError, load_settings
from processor.settings.sections import (
    DetectorSettings,
    KafkaSettings,
    LogSettings,
    MetricsSettings,
    NotifierSettings,
    PolicySettings,
    RegistrySettings,
    Settings,
    SmtpSettings,
    TopicSettings,
)

__all__ = [
    "DEFAULT_FILE",
    "DetectorSettings",
    "KafkaSettings",
    "LogSettings",
    "MetricsSettings",
    "NotifierSettings",
    "PolicySettings",
    "RegistrySettings",
    "Settings",
    "SettingsError",
    "SmtpSettings",
    "TopicSettings",
    "load_settings",
]
