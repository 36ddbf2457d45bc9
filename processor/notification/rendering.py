"""A notification as subject, text and HTML, from the templates of its language (notification-facts).

A language is a folder of templates: `language.toml` and, for each kind of mail, `KIND.subject.txt`, `KIND.text.txt` and
`KIND.page.html`. Sources come as a mapping from name to text; whoever reads the files stands outside.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError, select_autoescape

from processor.notification.facts import facts_of
from processor.notification.kinds import Kind
from processor.notification.language import Language, Words, zone_of
from processor.notification.notices import Account, Notification
from processor.notification.sanitise import header_text, readable
from processor.policies.recipients import DEFAULT_LANGUAGE
from processor.restrictions.events import RestrictionEvent, SenderAlerted

DETAILED_MAX = 20
"""Accounts with all their facts in one mail; mail programs cut a page off at about 100 kB."""
NAMED_MAX = 480
"""Accounts of which only the name is given, after those with details; the rest is counted."""
SUBJECT_MAX = 200
TITLE_NAME_MAX = 80
LINE_WIDTH = 72

_PARTS = ("subject.txt", "text.txt", "page.html")


class BrokenTemplates(ValueError):
    """A folder of templates with which no mail can be written; the text names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all mails of an installation say alike. `support` tells how to reach support; `console_url` None: no console."""

    sender_address: str
    support: str | None = None
    console_url: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a mail says. The subject is one line, safe in a header."""

    language: str
    subject: str
    text: str
    html: str


class Templates:
    """The templates of every language. Raises BrokenTemplates when one lacks a file or has a fault of syntax."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._environment = Environment(
            loader=DictLoader(sources),
            autoescape=select_autoescape(enabled_extensions=("html",), default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["paragraph"] = _paragraph
        self._environment.filters["item"] = _item
        self._environment.filters["facts"] = _facts
        codes = sorted(name.split("/")[0] for name in sources if name.endswith("/language.toml"))
        self._languages = {code.lower(): Language.parse(code, sources[f"{code}/language.toml"]) for code in codes}
        if DEFAULT_LANGUAGE not in self._languages:
            raise BrokenTemplates(f"{DEFAULT_LANGUAGE}/language.toml is missing: the default language must be there")
        for code in codes:
            for name in (f"{code}/{kind.value}.{part}" for kind in Kind for part in _PARTS):
                try:
                    self._environment.get_template(name)
                except TemplateError as problem:
                    raise BrokenTemplates(f"template {name}: {type(problem).__name__}: {problem}") from problem

    @property
    def languages(self) -> list[str]:
        """The codes of the languages that there are."""
        return sorted(language.code for language in self._languages.values())

    def language(self, code: str) -> Language:
        """The language of that code, else of its first part (`nl-BE`: `nl`), else the default language."""
        wanted = code.lower().replace("_", "-")
        for candidate in (wanted, wanted.split("-")[0]):
            if candidate in self._languages:
                return self._languages[candidate]
        return self._languages[DEFAULT_LANGUAGE]

    def render(
        self,
        notification: Notification,
        accounts: Sequence[tuple[Account, RestrictionEvent]],
        surroundings: Surroundings,
    ) -> Rendered:
        """The mail of `notification` on `accounts`, at least one. BrokenTemplates: one asks for what is not there."""
        language = self.language(notification.language)
        accounts, overtaken = _latest(accounts), set(notification.overtaken)
        facts = [
            facts_of(event, account.unblocks_without_support, overtaken=account.event_id in overtaken)
            for account, event in accounts[: DETAILED_MAX + NAMED_MAX]
        ]
        self_service = bool(surroundings.console_url) or notification.readers_are_staff
        context = {
            "words": Words(language, zone_of(notification.time_zone)),
            "language": language.code,
            "tenant": readable(notification.tenant_id, 80),
            "count": len(accounts),
            "accounts": facts[:DETAILED_MAX],
            "named": [fact.name for fact in facts[DETAILED_MAX:]],
            "unnamed": max(0, len(accounts) - DETAILED_MAX - NAMED_MAX),
            "first": facts[0],
            # The full name stands in the list of accounts; a long one must not push the facts off the first screen.
            "title_name": header_text(facts[0].name, TITLE_NAME_MAX),
            "probably_compromised": any(fact.exceeded is not None for fact in facts),
            "self_service": self_service,
            "may_lift": self_service and any(fact.unblocks_left > 0 for fact in facts),
            "readers_are_staff": notification.readers_are_staff,
            "console_url": surroundings.console_url,
            "support": surroundings.support,
            "sender_address": surroundings.sender_address,
        }
        folder = f"{language.code}/{notification.kind.value}"
        subject, text, html = (self._filled(f"{folder}.{part}", context) for part in _PARTS)
        return Rendered(
            language=language.code,
            subject=header_text(" ".join(subject.split()), SUBJECT_MAX),
            text=re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip("\n") + "\n",
            html=html.strip() + "\n",
        )

    def _filled(self, name: str, context: Mapping[str, object]) -> str:
        try:
            return self._environment.get_template(name).render(context)
        except TemplateError as problem:
            raise BrokenTemplates(f"template {name}: {type(problem).__name__}: {problem}") from problem


def _latest(accounts: Sequence[tuple[Account, RestrictionEvent]]) -> list[tuple[Account, RestrictionEvent]]:
    """One entry for each account, the last; an account has an alert for each limit that it passed, and keeps them all."""
    latest = {
        (event.sender, account.event_id if isinstance(event, SenderAlerted) else ""): (account, event)
        for account, event in accounts
    }
    return list(latest.values())


def _paragraph(text: str) -> str:
    """Template filter: running text as lines of at most `LINE_WIDTH`; long words are left whole."""
    return textwrap.fill(" ".join(text.split()), LINE_WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def _item(text: str, mark: str) -> str:
    """Template filter: a list item that hangs behind `mark`."""
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


def _facts(text: str) -> str:
    """Template filter: lines of `label | value` as indented lines with the values below each other."""
    pairs = [line.partition("|") for line in text.splitlines() if line.strip()]
    width = max((len(label.strip()) for label, _, _ in pairs), default=0) + 1
    return "".join(f"    {label.strip() + ':':{width}} {value.strip()}\n" for label, _, value in pairs)
