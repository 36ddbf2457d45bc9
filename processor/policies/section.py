"""A section of a policy file: a mapping that knows its keys by being asked for them, and reports all others."""

import difflib
from collections.abc import Collection, Iterator

from processor.policies.fields import Reader, Unfit, Value
from processor.policies.nodes import Entries, Items, Node, Place, Refused, Scalar, path_below
from processor.policies.problems import Problem

_START = Place(1, 1)
_MEANT_FOR = 20
"""For so many problems it is looked for what was probably meant. A version with a hundred thousand must not hold a worker up for hours."""


class Section:
    """A mapping of the file while it is read. Problems go into one list that all sections share.

    An empty section (`notify:` and nothing below it) is one where everything has its default.
    """

    def __init__(self, node: Node | None, field: str, problems: list[Problem], above: Place = _START) -> None:
        """`above`: where the section would be missed that is not given."""
        self.field = field
        self._place = above if node is None else node.place
        self._problems = problems
        self.asked: list[str] = []
        """The keys that have been asked for."""
        self._sections: list[Section] = []
        self._entries: dict[str, tuple[Scalar, Node]] = {}
        self.is_empty = node is None or (isinstance(node, Scalar) and node.is_null)
        """Whether nothing is given; not so where what is given is no mapping, which is reported."""
        if isinstance(node, Entries):
            self._entries = {key.text: (key, value) for key, value in node.nodes}
            self.is_empty = not node.nodes
        elif node is not None and not self.is_empty:
            self._refuse(node, field, str(node), "keys and values")

    def given(self) -> Collection[str]:
        """The keys that are given, for a mapping whose keys are anyone's choice."""
        return self._entries.keys()

    def value(self, key: str, read: Reader[Value], default: Value) -> Value:
        """The value of a key; its default where it is not given, or not fit and so reported."""
        node = self._node(key)
        return default if node is None else self._read(node, key, read, default)

    def required(self, key: str, read: Reader[Value], default: Value) -> Value:
        """The value of a key that must be given; `default` after it was reported."""
        node = self._node(key) or Scalar(self._place, "", quoted=False)  # what is left out is as what is left empty
        return self._read(node, key, read, default)

    def several(self, key: str, read: Reader[str], what: str, *, at_least_one: bool = True) -> tuple[str, ...]:
        """One value or a list of them, each once; none where the key is not given. `what` is what a list of none lacks."""
        node = self._node(key)
        if node is None:
            return ()
        if isinstance(node, Items):
            if at_least_one and not node.nodes:
                self._refuse(node, path_below(self.field, key), "an empty list", f"at least one {what}")
            items = node.nodes
        else:
            items = (node,)
        values: dict[str, None] = {}
        for number, item in enumerate(items, start=1):
            try:
                values[read(item)] = None
            except Unfit as unfit:
                place = f"[{number}]" if isinstance(node, Items) else ""
                self._refuse(item, path_below(self.field, key) + place, str(item), self._expected(unfit))
        return tuple(values)

    def section(self, key: str) -> "Section":
        """The mapping below a key."""
        return self._below(self._node(key), path_below(self.field, key))

    def sections(self, key: str) -> "list[Section]":
        """The mappings in the list below a key."""
        node, field = self._node(key), path_below(self.field, key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return []
        if not isinstance(node, Items):
            self._refuse(node, field, str(node), "a list")
            return []
        return [self._below(item, f"{field}[{number}]") for number, item in enumerate(node.nodes, start=1)]

    def _below(self, node: Node | None, field: str) -> "Section":
        section = Section(node, field, self._problems, self._place)
        self._sections.append(section)
        return section

    def forbid(self, key: str, reason: str) -> None:
        """Report a key, where it is given, that has its meaning elsewhere but not here."""
        if key in self._entries:
            self.refuse_key(key, "a key that cannot be set here", reason)
            del self._entries[key]

    def miss(self, key: str, expected: str) -> None:
        """Report that a key is not given."""
        place = self._place
        self._problems.append(Problem(place.line, place.column, path_below(self.field, key), "nothing", expected))

    def refuse_key(self, key: str, given: str, expected: str) -> None:
        """Report a key that is given."""
        node, _ = self._entries[key]
        self._refuse(node, path_below(self.field, key), given, expected)

    def end(self) -> None:
        """Report the keys that nobody has asked for, with the key that was probably meant."""
        for key in self._entries.keys() - self.asked:
            self.refuse_key(key, "an unknown key", self._meant(key))

    def _meant(self, key: str) -> str:
        any_of = f"one of {', '.join(self.asked)}"
        if self._is_in_haste:
            return any_of
        spelled = key.strip().casefold().replace("-", "_").replace(" ", "_")
        for section in self.below():
            if spelled in section.asked:
                return f"{spelled} below {section.field}"
        near = difflib.get_close_matches(spelled, self.asked, 1)
        return near[0] if near else any_of

    def below(self) -> Iterator["Section"]:
        """The sections below this one, at any depth."""
        for section in self._sections:
            yield section
            yield from section.below()

    def _node(self, key: str) -> Node | None:
        self.asked.append(key)
        return self._entries[key][1] if key in self._entries else None

    def _read(self, node: Node, key: str, read: Reader[Value], default: Value) -> Value:
        try:
            return read(node)
        except Unfit as unfit:
            self._refuse(node, path_below(self.field, key), str(node), self._expected(unfit))
            return default

    @property
    def _is_in_haste(self) -> bool:
        return len(self._problems) >= _MEANT_FOR

    def _expected(self, unfit: Unfit) -> str:
        return str(unfit) if self._is_in_haste else unfit.meant() or str(unfit)

    def _refuse(self, node: Node, field: str, given: str, expected: str) -> None:
        if not isinstance(node, Refused):  # that has been reported
            self._problems.append(Problem(node.place.line, node.place.column, field, given, expected))
