"""The text part of a mail, set in lines: the filters that templates of text use."""

import textwrap

LINE_WIDTH = 72


def paragraph(text: str) -> str:
    """Running text as lines of at most `LINE_WIDTH`; long words are left whole."""
    return textwrap.fill(" ".join(text.split()), LINE_WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def item(text: str, mark: str) -> str:
    """A list item that hangs behind `mark`."""
    return (
        textwrap.fill(
            " ".join(text.split()),
            LINE_WIDTH,
            initial_indent=mark,
            subsequent_indent=" " * len(mark),
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )


def facts(text: str) -> str:
    """Lines of `label | value` as indented lines with the values below each other."""
    pairs = [line.partition("|") for line in text.splitlines() if line.strip()]
    width = max((len(label.strip()) for label, _, _ in pairs), default=0) + 1
    return "".join(f"    {label.strip() + ':':{width}} {value.strip()}\n" for label, _, value in pairs)


FILTERS = {"paragraph": paragraph, "item": item, "facts": facts}
