"""A notification as subject, text and HTML, from the templates of its language (notification-facts).

A language is a folder of templates: `language.toml` and, for each kind of mail, `KIND.subject.txt`, `KIND.text.txt` and
`KIND.page.html`. Sources come as a mapping from name to text; whoever reads the files stands outside.

Templates are the operator's, and what comes from outside only ever reaches them as a value. The sandbox is there for
folders that somebody else has written, a translation above all: a template can say what it likes and reach nothing else.
"""

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import FunctionLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from processor.notification.context import MailContext, Surroundings, context_of
from processor.notification.facts import AccountEvents
from processor.notification.kinds import Kind
from processor.notification.language import Language
from processor.notification.notices import Notification
from processor.notification.sanitise import header_text
from processor.notification.typesetting import FILTERS, paragraph
from processor.policies.recipients import DEFAULT_LANGUAGE

SUBJECT_MAX = 200
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
"""RFC 5646, section 2.1, without its finer rules: it stands in a header of each mail."""
PARTS = ("subject.txt", "text.txt", "page.html")


class BrokenTemplates(ValueError):
    """Templates with which no mail can be written; the text names file, line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a mail says. The subject is one line, safe in a header. `sender_name` None: the language has none of its own."""

    language: str
    subject: str
    text: str
    html: str
    sender_name: str | None = None


class Templates:
    """The templates of every language.

    `places` says what to call a source in messages, where that is not its name. Raises BrokenTemplates or BrokenLanguage when
    a file is missing or has a fault that can be seen without writing a mail (processor.notification.template_check sees more).
    """

    def __init__(self, sources: Mapping[str, str], places: Mapping[str, str] | None = None) -> None:
        self._sources = sources
        self._places = {name: (places or {}).get(name, name) for name in sources}
        self.environment = ImmutableSandboxedEnvironment(
            loader=FunctionLoader(self._source),
            autoescape=select_autoescape(enabled_extensions=("html",), default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters.update(FILTERS)
        codes = sorted(code for code, _, file in (name.partition("/") for name in sources) if file == "language.toml")
        for code in codes:
            if not _LANGUAGE_TAG.fullmatch(code):
                raise BrokenTemplates(
                    f"{self._places[f'{code}/language.toml']}: its folder must be named as a language is, such as de or pt-BR"
                )
        self._languages = {
            code.lower(): Language.parse(
                code, sources[f"{code}/language.toml"], place=self._places[f"{code}/language.toml"]
            )
            for code in codes
        }
        if DEFAULT_LANGUAGE not in self._languages:
            raise BrokenTemplates(f"{DEFAULT_LANGUAGE}/language.toml is missing: the default language must be there")
        for name in self.entries:
            try:
                self.environment.get_template(name)
            except TemplateNotFound as problem:
                raise BrokenTemplates(f"template {name} is missing") from problem
            except TemplateSyntaxError as problem:
                raise BrokenTemplates(f"{problem.filename or name}:{problem.lineno}: {problem.message}") from problem

    @property
    def sources(self) -> Mapping[str, str]:
        return self._sources

    @property
    def entries(self) -> list[str]:
        """The templates that a mail begins with: three for each language and kind."""
        codes = sorted(language.code for language in self._languages.values())
        return [f"{code}/{kind.value}.{part}" for code in codes for kind in Kind for part in PARTS]

    @property
    def languages(self) -> list[str]:
        """The codes of the languages that there are."""
        return sorted(language.code for language in self._languages.values())

    def place(self, name: str) -> str:
        """What to call a template in a message: its file."""
        return self._places.get(name, name)

    def language(self, code: str) -> Language:
        """The language of that code, else of its first part (`nl-BE`: `nl`), else the default language."""
        wanted = code.lower().replace("_", "-")
        for candidate in (wanted, wanted.split("-")[0]):
            if candidate in self._languages:
                return self._languages[candidate]
        return self._languages[DEFAULT_LANGUAGE]

    def render(
        self, notification: Notification, entries: AccountEvents, surroundings: Surroundings, *, is_test: bool = False
    ) -> Rendered:
        """The mail of `notification` on `entries`, at least one. BrokenTemplates: one asks for what is not there."""
        language = self.language(notification.language)
        context = context_of(notification, entries, surroundings, language, is_test=is_test)
        folder = f"{language.code}/{notification.kind.value}"
        subject, text, html = (self._filled(f"{folder}.{part}", context) for part in PARTS)
        if context.test_notice is not None:
            subject = language.test_subject.format(subject=subject.strip())
            text = f"{paragraph(context.test_notice)}\n{text}"
        return Rendered(
            language=language.code,
            subject=header_text(" ".join(subject.split()), SUBJECT_MAX),
            text=re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip("\n") + "\n",
            html=html.strip() + "\n",
            sender_name=language.sender_name,
        )

    def _source(self, name: str) -> tuple[str, str, None] | None:
        return (self._sources[name], self._places[name], None) if name in self._sources else None

    def _filled(self, name: str, context: MailContext) -> str:
        try:
            return self.environment.get_template(name).render(context.as_mapping())
        except Exception as problem:  # a template can raise anything: it may add a text to a number
            raise BrokenTemplates(f"{self._where(problem, name)}: {_words(problem)}") from problem

    def _where(self, problem: Exception, name: str) -> str:
        """File and line at which a template failed: the innermost frame that is a template's."""
        if isinstance(problem, TemplateSyntaxError):
            return f"{problem.filename or name}:{problem.lineno}"
        files = set(self._places.values())
        lines = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename in files]
        return f"{lines[-1].filename}:{lines[-1].lineno}" if lines else self.place(name)


def _words(problem: Exception) -> str:
    if isinstance(problem, TemplateNotFound):
        return f"there is no template {problem.name}"
    return f"{problem}" or type(problem).__name__
