"""A section of a policy file: a mapping that knows its keys by being asked for them, and reports all others."""

import difflib
from collections.abc import Collection, Iterator

from processor.policies.document import Entries, Items, Node, Refused, Scalar, path_below
from processor.policies.fields import Reader, Unfit, Value, address
from processor.policies.problems import Problem


class Section:
    """A mapping of the file while it is read. Problems go into one list that all sections share.

    An empty section (`notify:` and nothing below it) is one where everything has its default.
    """

    def __init__(self, node: Node | None, field: str, problems: list[Problem]) -> None:
        self.field = field
        self._problems = problems
        self.asked: list[str] = []
        """The keys that have been asked for."""
        self._sections: list[Section] = []
        self._entries: dict[str, tuple[Scalar, Node]] = {}
        if isinstance(node, Entries):
            self._entries = {key.text: (key, value) for key, value in node.nodes}
        elif node is not None and not (isinstance(node, Scalar) and node.is_null):
            self._refuse(node, field, str(node), "keys and values")

    def given(self) -> Collection[str]:
        """The keys that are given, for a mapping whose keys are anyone's choice."""
        return self._entries.keys()

    def value(self, key: str, read: Reader[Value], default: Value) -> Value:
        """The value of a key; its default where it is not given, or not fit and so reported."""
        node = self._node(key)
        return default if node is None else self._read(node, path_below(self.field, key), read, default)

    def addresses(self, key: str) -> tuple[str, ...]:
        """One mail address or a list of them, each once; none where the key is not given."""
        node, field = self._node(key), path_below(self.field, key)
        if node is None:
            return ()
        if not isinstance(node, Items):
            return (self._read(node, field, address, ""),)
        listed = enumerate(node.nodes, start=1)
        return tuple(dict.fromkeys(self._read(item, f"{field}[{number}]", address, "") for number, item in listed))

    def section(self, key: str) -> "Section":
        """The mapping below a key."""
        section = Section(self._node(key), path_below(self.field, key), self._problems)
        self._sections.append(section)
        return section

    def refuse_key(self, key: str, given: str, expected: str) -> None:
        """Report a key that is given."""
        node, _ = self._entries[key]
        self._refuse(node, path_below(self.field, key), given, expected)

    def end(self) -> None:
        """Report the keys that nobody has asked for, with the key that was probably meant."""
        for key in self._entries.keys() - self.asked:
            self.refuse_key(key, "an unknown key", self._meant(key))

    def _meant(self, key: str) -> str:
        spelled = key.strip().casefold().replace("-", "_").replace(" ", "_")
        for section in self.below():
            if spelled in section.asked:
                return f"{spelled} below {section.field}"
        near = difflib.get_close_matches(spelled, self.asked, 1)
        return near[0] if near else f"one of {', '.join(self.asked)}"

    def below(self) -> Iterator["Section"]:
        """The sections below this one, at any depth."""
        for section in self._sections:
            yield section
            yield from section.below()

    def _node(self, key: str) -> Node | None:
        self.asked.append(key)
        return self._entries[key][1] if key in self._entries else None

    def _read(self, node: Node, field: str, read: Reader[Value], default: Value) -> Value:
        try:
            return read(node)
        except Unfit as unfit:
            self._refuse(node, field, str(node), str(unfit))
            return default

    def _refuse(self, node: Node, field: str, given: str, expected: str) -> None:
        if not isinstance(node, Refused):  # that has been reported
            self._problems.append(Problem(node.place.line, node.place.column, field, given, expected))
