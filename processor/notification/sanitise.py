"""Texts that come from an attacker (names, message ids, addresses), made fit to be shown.

What cannot be seen or what turns the reading direction is written out as `[U+202E]`: the reader should notice it.
Emoji, scripts of all languages and the joiners that they need stay as they are. (notification-facts, "As mail")
"""

import unicodedata

ELLIPSIS = "…"
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width joiners: Persian and emoji sequences are wrong without them."""
_WRITTEN_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COMBINING = frozenset({"Mn", "Me"})
_MOST_COMBINING_MARKS = 4
"""Languages put up to three marks on a letter; a stack of a hundred paints over the lines above."""


def readable(text: str, longest: int) -> str:
    """`text` on one line, without control, format and direction characters, at most `longest` characters long.

    The law of the length holds for what is returned, the ellipsis and the written-out characters included.
    """
    shown: list[str] = []
    length = marks = 0
    # Twice the bound is enough to know that it is passed; a text of a million characters is not worth reading.
    for character in text[: 2 * longest + 2]:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _COMBINING else 0
        if marks > _MOST_COMBINING_MARKS:
            continue
        if category in _WRITTEN_OUT and character not in _JOINERS:
            piece = f"[U+{ord(character):04X}]"
        elif category == "Zs":
            piece = " "
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
