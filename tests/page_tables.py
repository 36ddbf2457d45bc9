"""The tables of a page, as a browser has them."""

from html.parser import HTMLParser


class _Tables(HTMLParser):
    """The cells of each table that has an id, row by row; lines within a cell are kept apart by a blank."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self._table: list[list[str]] | None = None
        self._is_cell = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            name = dict(attrs).get("id")
            self._table = None if name is None else self.rows.setdefault(name, [])
        elif self._table is not None and tag == "tr":
            self._table.append([])
        elif self._table is not None and tag in {"td", "th"}:
            self._table[-1].append("")
            self._is_cell = True
        elif tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._is_cell = False
        elif tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        if self._table is not None and self._is_cell:
            self._table[-1][-1] += data


def rows_of(html: str, table: str) -> list[list[str]]:
    """The rows of the table of that id, without its head; none where there is no such table."""
    return [[" ".join(cell.split()) for cell in row] for row in _Tables(html).rows.get(table, [])[1:]]
