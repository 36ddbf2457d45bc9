"""Records of the dead-letter topic. An input is one a line: headers as NAME=VALUE, each ended by a tab, then the value."""

from processor.verdicts.letters import Joining, Letter, Note, Stored, letters_of
from tests.fuzz.target import Target

_GOOD = (
    b"senderwatch-reason=truncated\tsenderwatch-topic=message-verdicts\tsenderwatch-partition=0\tsenderwatch-offset=7\t"
    b"senderwatch-timestamp=1760000000000"
)
_PARTS = b"\n".join(_GOOD + b"\tsenderwatch-part=%d/3\tpiece" % number for number in (1, 2, 3))
_NOTE = (
    b"senderwatch-replayed=root\tsenderwatch-topic=message-verdicts\tsenderwatch-partition=0\tsenderwatch-offset=7\t"
)
_WORDS = (
    b"\t", b"\n", b"=", b"senderwatch-part=", b"1/1", b"0/0", b"2/1", b"999999/999999", b"-1", b"9" * 18, b"9" * 30, b"\xd9\xa1", b"1_0",
    b"senderwatch-left-out=key\t", b"senderwatch-reason=x\t", b"senderwatch-timestamp=", b"\xff", b"\x00", b"a=b\t", _NOTE, _GOOD,
)  # fmt: skip


def _check(given: bytes) -> str:
    joining = Joining()
    taken = [joining.take(_stored(line, offset)) for offset, line in enumerate(given.split(b"\n"))]
    whole = [each for each in taken if isinstance(each, Letter)]
    left = list(joining.left())
    assert all(each.missing == 0 for each in whole)
    assert all(0 < each.missing < each.parts for each in left)
    for letter in whole:
        if letter.refused.left_out is None:
            again = Joining()
            found = [again.take(stored) for stored in letters_of(letter.refused)][-1]
            assert isinstance(found, Letter)
            assert found.refused == letter.refused, "kept anew it is another"
    kinds = {type(each).__name__ for each in taken if each is not None and not isinstance(each, Note)}
    return (
        " ".join(sorted(kinds | {"Note" for each in taken if isinstance(each, Note)} | {"begun" for _ in left}))
        or "nothing"
    )


def _stored(line: bytes, offset: int) -> Stored:
    *headers, value = line.split(b"\t")
    split = [header.partition(b"=") for header in headers]
    named = [(name.decode(errors="replace"), content if equals else None) for name, equals, content in split]
    return Stored(None, value, named, offset=offset)


TARGETS = (
    Target(
        "dead-letters",
        "any record of the topic is a letter that is the same when kept anew, a part, a note, or unknown",
        _check,
        lambda: [_GOOD + b"\tvalue", _PARTS, _NOTE, b"a=b\t" + _GOOD + b"\tvalue"],
        words=_WORDS,
    ),
)
