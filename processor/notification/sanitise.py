"""Texts that come from an attacker (names, message ids, addresses), made fit to be shown.

What cannot be seen or what turns the reading direction is written out as `[U+202E]`: the reader should notice it.
Emoji, scripts of all languages and the joiners that they need stay as they are. (notification-facts, "As mail")
"""

import re
import unicodedata

ELLIPSIS = "…"
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width joiners: Persian and emoji sequences are wrong without them. Between ASCII they only hide."""
_WRITTEN_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that show nothing (Default_Ignorable_Code_Point, and the empty Braille cell)."""
_COMBINING = frozenset({"Mn", "Me"})
_MOST_COMBINING_MARKS = 4
"""Languages put up to three marks on a letter; a stack of a hundred paints over the lines above."""
_CARRIER = "\u25cc"
"""What a mark stands on that has no letter before it; else it would sit on ours."""
_LINK = re.compile(r"(?P<scheme>:)(?=//)|(?<![\w@.-])(?P<www>www)\.", re.IGNORECASE)


def readable(text: str, longest: int) -> str:
    """`text` on one line, without control, format and direction characters, at most `longest` characters long.

    The law of the length holds for what is returned, the ellipsis and the written-out characters included.
    """
    if len(text) <= longest and text.isascii() and text.isprintable():
        return text  # nearly all are; a digest has hundreds
    shown: list[str] = []
    length = marks = 0
    # Twice the bound is enough to know that it is passed; a text of a million characters is not worth reading.
    read = text[: 2 * longest + 2]
    for place, character in enumerate(read):
        category = unicodedata.category(character)
        marks = marks + 1 if category in _COMBINING else 0
        if marks > _MOST_COMBINING_MARKS:
            continue
        if character in _JOINERS:
            joins = bool(shown) and _is_joined(shown[-1]) and _is_joined(read[place + 1 : place + 2])
            piece = character if joins else _written_out(character)
        elif _is_hidden(character, category):
            piece = _written_out(character)
        elif category == "Zs":
            piece = " "
        elif category in _COMBINING and not shown:
            piece = f"{_CARRIER}{character}"
        else:
            piece = character
        shown.append(piece)
        length += len(piece)
    if length <= longest and len(text) <= 2 * longest + 2:
        return "".join(shown)
    while shown and length > longest - len(ELLIPSIS):
        length -= len(shown.pop())
    return "".join(shown) + ELLIPSIS


def header_text(text: str, longest: int) -> str:
    """As `readable`, and fit for a header: without what a mail program would take for an encoded word (RFC 2047)."""
    return readable(readable(text, longest).replace("=?", "= ?"), longest)


def unlinked(text: str, longest: int) -> str:
    """As `readable`, and without what mail programs make a link of: an attacker's address must not be one click away.

    Mail addresses stay as they are: they are what the reader has to recognise.
    """
    return readable(_LINK.sub(lambda link: "[:]" if link["scheme"] else f"{link['www']}[.]", text), longest)


def _is_hidden(character: str, category: str) -> bool:
    return category in _WRITTEN_OUT or _BLANK.match(character) is not None


def _is_joined(character: str) -> bool:
    """Whether a joiner beside it can mean something."""
    category = unicodedata.category(character) if len(character) == 1 else "Cn"
    return not character.isascii() and category != "Zs" and not _is_hidden(character, category)


def _written_out(character: str) -> str:
    return f"[U+{ord(character):04X}]"
