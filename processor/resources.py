"""Where the files that travel with the code are: the Avro schemas and the mail templates.

In a wheel they lie inside the package; in a checkout they are top-level folders beside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `schemas` or `templates`; raises FileNotFoundError when the installation lacks it."""
    for place in (_PACKAGE / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the folder {name!r} is missing from this installation of senderwatch: install it again")
