"""The text of a policy file as a tree of nodes, each with its line and column.

Of YAML only what a policy needs: mappings, lists, scalars. Anchors, aliases and tags are refused: an alias can make a few lines
mean gigabytes, a tag can name code, and neither is needed here. What a plain scalar means is decided by the field that reads it.
"""

from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from processor.policies.nodes import Entries, Items, Node, Place, Refused, Scalar, path_below
from processor.policies.problems import PolicyFileError, Problem, shown

MAX_BYTES = 16 * 1024 * 1024
"""What a record of `outbound-policies` takes (design, section 1)."""
_MAX_DEPTH = 16
_UTF8_BOM = "\ufeff"


def document(text: str, problems: list[Problem]) -> Node | None:
    """The one document in `text`, None when it is empty. What can be read past is added to `problems`.

    Raises PolicyFileError, with these and the last, where reading cannot go on.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise PolicyFileError([Problem(1, 1, "", f"{size} bytes", f"at most {MAX_BYTES}")])
    composer = _Composer(text, problems)
    try:
        return composer.document()
    except PolicyFileError:
        raise
    except Exception as error:  # ruamel lets some slip that are not its own, such as OverflowError for \U99999999
        place, what = _syntax_error(error, text, composer.place)
        problem = Problem(place.line, place.column, "", f"what is not YAML ({what})", "YAML 1.2")
        raise PolicyFileError([*problems, problem]) from error


def _syntax_error(error: Exception, text: str, near: Place) -> tuple[Place, str]:
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        if mark is not None and text[mark.index : mark.index + 1] == "\t":
            return _place(mark), "a tab: only spaces stand before a key or value"
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        return near if mark is None else _place(mark), shown(what, 160)
    if isinstance(error, ReaderError):
        return place_of(text, error.position), f"the character U+{ord(text[error.position]):04X}"
    return near, shown(f"{type(error).__name__}: {error}", 160)


def place_of(text: str, index: int) -> Place:
    """The line and column of the character at `index`."""
    before = text[:index].removeprefix(_UTF8_BOM).replace("\r\n", "\n").replace("\r", "\n")
    return Place(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


class _Composer:
    """Builds nodes from the parser's events."""

    def __init__(self, text: str, problems: list[Problem]) -> None:
        self._text = text
        self._problems = problems
        self.place = Place(1, 1)
        """The end of what was read last."""

    def document(self) -> Node | None:
        self._events = self._parsed()
        next(self._events)  # the stream's start
        if isinstance(next(self._events), events.StreamEndEvent):
            return None
        node = self._node(next(self._events), "", 0)
        next(self._events)  # the document's end
        following = next(self._events)
        if not isinstance(following, events.StreamEndEvent):
            self._report(following, "", "a second document", "one document in a file")
            raise PolicyFileError(self._problems)
        return node

    def _parsed(self) -> Iterator[Any]:
        for event in YAML(typ="safe", pure=True).parse(self._text):
            self.place = _place(event.end_mark)
            yield event

    def _node(self, event: Any, field: str, depth: int) -> Node:
        place = _place(event.start_mark)
        if isinstance(event, events.AliasEvent):
            self._report(event, field, f"the alias *{shown(event.anchor)}", "the value itself")
            return Refused(place)
        if depth > _MAX_DEPTH:
            self._report(event, field, f"nesting deeper than {_MAX_DEPTH}", "no such depth")
            raise PolicyFileError(self._problems)
        if event.anchor is not None:
            self._report(event, field, f"the anchor &{shown(event.anchor)}", "each value where it applies, no anchors")
        if event.tag is not None:
            self._report(event, field, f"the tag {shown(event.tag)}", "a value without a tag")
        if isinstance(event, events.ScalarEvent):
            return Scalar(place, event.value, event.style is not None)
        if isinstance(event, events.SequenceStartEvent):
            return Items(place, tuple(self._items(field, depth)))
        return Entries(place, tuple(self._entries(field, depth)))

    def _items(self, field: str, depth: int) -> Iterator[Node]:
        number = 0
        while not isinstance(event := next(self._events), events.SequenceEndEvent):
            number += 1
            yield self._node(event, f"{field}[{number}]", depth + 1)

    def _entries(self, field: str, depth: int) -> Iterator[tuple[Scalar, Node]]:
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), events.MappingEndEvent):
            key = self._node(event, field, depth + 1)
            path = path_below(field, key.text) if isinstance(key, Scalar) else field
            value = self._node(next(self._events), path, depth + 1)
            if not isinstance(key, Scalar):
                if not isinstance(key, Refused):
                    self._report(event, field, f"{key} as a key", "a word as a key")
            elif key.text in lines:
                self._report(event, path, f"a second time after line {lines[key.text]}", "each key once")
            else:
                lines[key.text] = key.place.line
                yield key, value

    def _report(self, event: Any, field: str, given: str, expected: str) -> None:
        place = _place(event.start_mark)
        self._problems.append(Problem(place.line, place.column, field, given, expected))
