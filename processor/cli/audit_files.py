"""The files that an audit, a story or a trial leaves: a page for people, tables for programs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from processor.audit.report import AuditReport
from processor.cli.common import EXIT_USAGE, CommandFailed

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE_BEGINS = b"<!doctype html>"


def prepare_files(html: Path | None, parquet: Path | None) -> None:
    """See to it before hours of work that what it finds can be written, and over nothing but an older page. Raises CommandFailed."""
    if html is not None:
        with _writing("--html", html):  # even to ask whether it is there can fail, for a name that is too long
            _prepare_page(html)
    if parquet is not None:
        if find_spec("pyarrow") is None:
            raise CommandFailed(
                "--parquet needs pyarrow, which is not installed: pip install 'senderwatch[parquet]'", EXIT_USAGE
            )
        with _writing("--parquet", parquet):
            if parquet.exists() and not parquet.is_dir():
                raise CommandFailed(f"--parquet {parquet}: that is a file; name a folder for the tables", EXIT_USAGE)
            parquet.mkdir(parents=True, exist_ok=True)
            _try_to_write(parquet)


def write_page(report: AuditReport, path: Path) -> None:
    """An audit's page. Raises CommandFailed."""
    from processor.audit.report_page import page

    write_html(page(report, page_templates()), path)


def write_tables(report: AuditReport, folder: Path) -> None:
    """`findings.parquet`, `faults.parquet` and `partitions.parquet` of an audit, over older ones. Raises CommandFailed."""
    from processor.audit.tables import tables

    write_parquet(tables(report), folder)


def write_html(page: str, path: Path) -> None:
    """A page, over an older one. Raises CommandFailed."""
    with _writing("--html", path):
        path.write_text(page, encoding="utf-8", newline="\n")


def write_parquet(tables: "Mapping[str, pa.Table]", folder: Path) -> None:
    """A file for each table, over older ones. Raises CommandFailed."""
    from pyarrow import parquet

    with _writing("--parquet", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            parquet.write_table(table, folder / f"{name}.parquet", compression="zstd")


def page_templates() -> dict[str, str]:
    """The pieces that pages are made of, by name."""
    folder = files("processor.audit") / "html"
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir() if each.name.endswith(".html")}


def _prepare_page(path: Path) -> None:
    if path.is_dir() or str(path) == "-":
        raise CommandFailed(
            f"--html {path}: {'that is a folder; ' if path.is_dir() else ''}name a file for the page", EXIT_USAGE
        )
    if not path.absolute().parent.is_dir():
        raise CommandFailed(f"--html {path}: there is no folder {path.parent}", EXIT_USAGE)
    if not path.exists():
        _try_to_write(path.absolute().parent)
    elif path.is_file():
        with path.open("r+b") as old:
            begins = old.read(len(_PAGE_BEGINS))
        if begins and begins.lower() != _PAGE_BEGINS:
            raise CommandFailed(
                f"--html {path}: that file is there, and is no page: name another, or remove it", EXIT_USAGE
            )


def _try_to_write(folder: Path) -> None:
    with TemporaryFile(dir=folder):
        pass


@contextmanager
def _writing(option: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{option} {path}: cannot write there: {error.strerror or error}", EXIT_USAGE) from error
