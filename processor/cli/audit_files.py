"""The files that an audit leaves: a page for people, tables for programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from processor.audit.report import AuditReport
from processor.cli.common import EXIT_USAGE, CommandFailed


def prepare_files(html: Path | None, parquet: Path | None) -> None:
    """See to it before hours of work that what it finds can be written. Raises CommandFailed."""
    if html is not None:
        if html.is_dir():
            raise CommandFailed(f"--html {html}: that is a folder; name a file", EXIT_USAGE)
        if not html.absolute().parent.is_dir():
            raise CommandFailed(f"--html {html}: there is no folder {html.parent}", EXIT_USAGE)
    if parquet is not None:
        if find_spec("pyarrow") is None:
            raise CommandFailed(
                "--parquet needs pyarrow, which is not installed: pip install 'senderwatch[parquet]'", EXIT_USAGE
            )
        with _writing("--parquet", parquet):
            parquet.mkdir(parents=True, exist_ok=True)


def write_page(report: AuditReport, path: Path) -> None:
    """One self-contained page. Raises CommandFailed."""
    from processor.audit.report_page import page

    content = page(report, page_templates())
    with _writing("--html", path):
        path.write_text(content, encoding="utf-8", newline="\n")


def write_tables(report: AuditReport, folder: Path) -> None:
    """`findings.parquet`, `faults.parquet` and `partitions.parquet`, over older ones. Raises CommandFailed."""
    from pyarrow import parquet

    from processor.audit.tables import tables

    with _writing("--parquet", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables(report).items():
            parquet.write_table(table, folder / f"{name}.parquet", compression="zstd")


def page_templates() -> dict[str, str]:
    """The pieces that pages are made of, by name."""
    folder = files("processor.audit") / "html"
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir() if each.name.endswith(".html")}


@contextmanager
def _writing(option: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{option} {path}: cannot write there: {error.strerror or error}", EXIT_USAGE) from error
