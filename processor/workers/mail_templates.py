"""The mail templates from their files: those that travel with senderwatch."""

from pathlib import Path

from processor import resources
from processor.notification.rendering import Templates


def load_templates(folder: Path | None = None) -> Templates:
    """The templates of every language in `folder` (None: those of this installation); BrokenTemplates says what is wrong."""
    folder = folder or resources.folder("templates")
    return Templates(
        {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*"))
            if path.suffix in {".html", ".txt", ".toml"}
        }
    )
