"""Whether every mail can be written, found out before there is one to write.

Two looks: at the templates themselves, in all their branches, for names that a mail does not have and for files that no
mail uses; and by writing a mail of each scene (processor.notification.samples) in each language.
"""

from collections.abc import Iterable, Iterator

from jinja2 import TemplateSyntaxError, meta, nodes

from processor.notification.context import MailContext, Surroundings
from processor.notification.rendering import PARTS, BrokenTemplates, Templates
from processor.notification.samples import scenes

_WITH_ALL = Surroundings("noreply@mail.example.org", "support@example.org", "https://console.example.org/")
_WITHOUT = Surroundings("noreply@mail.example.org")
_TIME_MS = 1_795_502_100_000
"""A Tuesday in November 2026; any would do."""


def check(templates: Templates, own: Iterable[str] = ()) -> None:
    """Raises BrokenTemplates with every fault that the templates show, else with the first that a mail has.

    `own` are the names of the operator's files: one that no mail uses is a fault, most likely a typing error.
    """
    trees = dict(_parsed(templates))
    faults = [fault for name, tree in trees.items() for fault in _unknown_names(templates, name, tree)]
    used = _used(trees, templates.entries)
    if used is not None:
        known = used | {f"{code}/language.toml" for code in templates.languages}
        faults += [
            f"{templates.place(name)}: no mail uses this file: is its name right, and does its folder have a language.toml?"
            for name in own
            if name not in known
        ]
    if faults:
        raise BrokenTemplates("\n".join(faults))
    for code in templates.languages:
        for scene in scenes(code, _TIME_MS):
            for surroundings in (_WITH_ALL, _WITHOUT):
                mail = templates.render(
                    scene.notification, scene.entries, surroundings, is_test=surroundings is _WITH_ALL
                )
                for part, written in zip(PARTS, (mail.subject, mail.text, mail.html), strict=True):
                    if not written.strip():
                        place = templates.place(f"{code}/{scene.kind.value}.{part}")
                        raise BrokenTemplates(f"{place}: it writes nothing (the mail {scene.name} of the preview)")


def _parsed(templates: Templates) -> Iterator[tuple[str, nodes.Template]]:
    for name, source in templates.sources.items():
        if not name.endswith(".toml"):
            try:
                yield name, templates.environment.parse(source, name, templates.place(name))
            except TemplateSyntaxError as problem:
                raise BrokenTemplates(f"{templates.place(name)}:{problem.lineno}: {problem.message}") from problem


def _unknown_names(templates: Templates, name: str, tree: nodes.Template) -> Iterator[str]:
    """What the template asks for and neither a mail has nor the template itself sets somewhere.

    Jinja's own look takes an import before a block, and a name set in one branch, for unknown.
    """
    unknown = meta.find_undeclared_variables(tree) - MailContext.names() - set(_own_names(tree))
    for asked in sorted(unknown):
        line = next((each.lineno for each in tree.find_all(nodes.Name) if each.name == asked), 1)
        yield f"{templates.place(name)}:{line}: '{asked}' is not known here"


def _own_names(tree: nodes.Template) -> Iterator[str]:
    yield from (each.name for each in tree.find_all(nodes.Name) if each.ctx != "load")
    yield from (each.name for each in tree.find_all(nodes.Macro))
    yield from (each.target for each in tree.find_all(nodes.Import))
    for each in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in each.names)


def _used(trees: dict[str, nodes.Template], entries: Iterable[str]) -> set[str] | None:
    """What the entries include, import and extend, and these in turn; None where one chooses a template as it is written."""
    found: set[str] = set()
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name in found or name not in trees:
            continue
        found.add(name)
        for referred in meta.find_referenced_templates(trees[name]):
            if referred is None:
                return None
            waiting.append(referred)
    return found
