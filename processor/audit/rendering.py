"""HTML pages that need nothing but themselves, from the pieces in processor/audit/html."""

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined


def rendered(name: str, content: Iterable[tuple[str, Any]], templates: Mapping[str, str]) -> str:
    """The page of a template; `templates` are the pieces by name. The same content gives the same bytes."""
    environment = Environment(
        loader=DictLoader(dict(templates)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(dict(content)).strip() + "\n"
