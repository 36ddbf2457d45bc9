"""The mail templates from their files: those that travel with senderwatch, and the operator's own over them."""

import shutil
from pathlib import Path

from processor import resources
from processor.notification.rendering import BrokenTemplates, Templates
from processor.notification.template_check import check

_KINDS = frozenset({".html", ".txt", ".toml"})


def load_templates(own: Path | None = None) -> Templates:
    """The templates of every language; a file in `own` stands over the built-in one of the same relative name.

    Each mail has been written once when this returns. BrokenTemplates and BrokenLanguage say what is wrong, and where.
    """
    built_in = resources.folder("templates")
    sources, places = _read(built_in)
    if own is None:
        templates = Templates(sources, places)
        check(templates)
        return templates
    if not own.is_dir():
        raise BrokenTemplates(f"{own}: there is no such folder of templates")
    own_sources, own_places = _read(own)
    templates = Templates({**sources, **own_sources}, {**places, **own_places})
    check(templates, own_sources)
    return templates


def copy_templates(folder: Path) -> None:
    """The built-in templates into a folder that is not there yet. Raises OSError, FileExistsError above all."""
    shutil.copytree(resources.folder("templates"), folder)


def _read(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The templates below a folder by name, and where each one is."""
    sources: dict[str, str] = {}
    places: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _KINDS:
            name = path.relative_to(folder).as_posix()
            places[name] = str(path)
            try:
                sources[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as problem:
                raise BrokenTemplates(f"{path}: it is not UTF-8 text: {problem.reason}") from problem
            except OSError as problem:
                raise BrokenTemplates(f"{path}: cannot read it: {problem.strerror}") from problem
    return sources, places
