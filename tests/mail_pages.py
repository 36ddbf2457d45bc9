"""Rendered mails and what is in their pages, for tests of what a mail says."""

from html.parser import HTMLParser

from processor.notification.context import Surroundings
from processor.notification.rendering import Rendered
from processor.policies.recipients import Notify
from processor.restrictions.events import RestrictionEvent
from processor.workers.mail_templates import load_templates
from tests.mail_samples import sending

TEMPLATES = load_templates()
SURROUNDINGS = Surroundings("noreply@mail.example.org", "support@provider.example")
WITH_CONSOLE = Surroundings(
    "noreply@mail.example.org", "support@provider.example", "https://console.example.org/?a=1&b=2"
)
POLICY = Notify(("postmaster@school.example",), time_zone="Europe/Amsterdam")


def render(*events: RestrictionEvent, notify: Notify = POLICY, surroundings: Surroundings = SURROUNDINGS) -> Rendered:
    notification, accounts = sending(*events, notify=notify)
    return TEMPLATES.render(notification, accounts, surroundings)


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def flat(text: str) -> str:
    """The text as one line, however it was folded."""
    return " ".join(text.split())
