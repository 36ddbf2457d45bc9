"""The targets by name. A target's module is imported when it is asked for: what guides by coverage must be there first."""

from importlib import import_module

from tests.fuzz.target import Target

_MODULES = {
    "decoder": "decoder",
    "other-schemas": "other_schemas",
    "policies": "policies",
    "policy-content": "policies",
    "tenants": "policies",
    "json-lines": "importers",
    "rspamd": "importers",
    "avro-files": "importers",
    "verdict-files": "importers",
    "commands": "records",
    "events": "records",
    "ledger": "records",
    "dead-letters": "dead_letters",
    "changelog": "state",
    "journal": "state",
    "commit-marks": "marks",
    "pins": "marks",
    "command-line": "command_line",
    "http-port": "http_port",
}
NAMES = tuple(_MODULES)


def target_named(name: str) -> Target:
    """The target of that name."""
    targets: tuple[Target, ...] = import_module(f"tests.fuzz.targets.{_MODULES[name]}").TARGETS
    return next(target for target in targets if target.name == name)
