"""What a policy file or a version's content is read into: a tree of nodes, whatever it was written in."""

from dataclasses import dataclass

from processor.policies.problems import shown

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node begins in the file; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One word or text; `quoted` when it was written in quotes or as a block of text."""

    place: Place
    text: str
    quoted: bool

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in _NULLS

    def __str__(self) -> str:
        if self.is_null:
            return "nothing"
        return f'"{shown(self.text)}"' if self.quoted else shown(self.text)


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    place: Place
    nodes: tuple["Node", ...]

    def __str__(self) -> str:
        return "a list"


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping, its keys unlike each other, in the order of the file."""

    place: Place
    nodes: tuple[tuple[Scalar, "Node"], ...]

    def __str__(self) -> str:
        return "keys and values"


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that has been reported already."""

    place: Place


Node = Scalar | Items | Entries | Refused


def path_below(field: str, key: str) -> str:
    """The path of a key of the mapping at the path `field`."""
    return f"{field}.{shown(key)}" if field else shown(key)
