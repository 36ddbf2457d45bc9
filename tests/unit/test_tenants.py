"""Which tenant a sender belongs to and who is inside it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.verdicts.tenants import Tenants, TenantsFileError, canonical_domain, domain_of, load_tenants

_labels = st.text(st.characters(categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=8)


def test_without_a_map_the_own_domain_and_its_subdomains_are_the_tenant() -> None:
    tenants = Tenants()
    assert tenants.of_sender("ann@Mail.Org.test") == "mail.org.test"
    inside = {domain: tenants.is_internal(domain, "org.test", "org.test") for domain in ("org.test", "a.b.org.test")}
    outside = {
        domain: tenants.is_internal(domain, "org.test", "org.test") for domain in ("test", "xorg.test", "else.test", "")
    }
    assert set(inside.values()) == {True}
    assert set(outside.values()) == {False}
    assert tenants.of_sender("ann") is None


def test_a_domain_covers_its_subdomains_unless_one_is_listed_itself() -> None:
    tenants = Tenants({"org.test": "org", "shop.org.test": "shop"})
    assert tenants.of_sender("a@mail.org.test") == "org"
    assert tenants.of_sender("a@x.shop.org.test") == "shop"
    assert tenants.is_internal("mail.org.test", "org", "org.test")
    assert not tenants.is_internal("shop.org.test", "org", "org.test")


def test_everyone_else_belongs_to_the_star_and_his_own_domain_stays_inside() -> None:
    tenants = Tenants({"org.test": "org", "*": "guests"})
    assert [tenants.of_sender(sender) for sender in ("a@org.test", "a@far.test", "a")] == ["org", "guests", "guests"]
    assert tenants.is_internal("far.test", "guests", "far.test")
    assert not tenants.is_internal("else.test", "guests", "far.test")
    assert not tenants.is_internal("else.test", "guests", "")


def test_both_forms_of_an_idn_domain_are_one() -> None:
    forms = ("bücher.test", "BÜCHER.test.", "xn--bcher-kva.test", "XN--BCHER-KVA.TEST", "bu\u0308cher.test")
    assert {canonical_domain(form) for form in forms} == {"xn--bcher-kva.test"}
    for listed in forms:
        tenants = Tenants({listed: "books"})
        assert {tenants.of_sender(f"a@{form}") for form in forms} == {"books"}
        assert tenants.is_internal(domain_of(f"b@mail.{forms[0]}"), "books", "else.test")


@given(st.lists(_labels, min_size=1, max_size=3).map(".".join))
def test_the_canonical_form_is_ascii_and_its_own(domain: str) -> None:
    canonical = canonical_domain(domain)
    assert canonical.isascii()
    assert canonical_domain(canonical) == canonical
    assert canonical_domain(canonical.upper()) == canonical


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tenants.yaml", "org.test: org\nbücher.test: books\n'*': guests\n"),
        ("tenants.toml", '"org.test" = "org"\n"bücher.test" = "books"\n"*" = "guests"\n'),
    ],
)
def test_the_map_is_read_from_yaml_and_toml(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    tenants = load_tenants(path)
    senders = ("a@org.test", "a@xn--bcher-kva.test", "a")
    assert [tenants.of_sender(sender) for sender in senders] == ["org", "books", "guests"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.yaml", "- a\n", "expected lines of"),
        ("t.yaml", "", "expected lines of"),
        ("t.yaml", "a: [b", "line 1"),
        ("t.yaml", "a.test: 5\n", "must both be text"),
        ("t.yaml", "a.test: ''\n", "must both be text"),
        ("t.toml", 'org.test = "org"\n', "needs quotes"),
        ("t.toml", "nonsense", "Expected '='"),
        ("t.yaml", "\xff", "utf-8"),
    ],
)
def test_a_map_that_cannot_be_used_is_explained(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(TenantsFileError, match=said) as raised:
        load_tenants(path)
    assert str(path) in str(raised.value)


def test_a_missing_map_is_explained(tmp_path: Path) -> None:
    with pytest.raises(TenantsFileError, match="No such file"):
        load_tenants(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: 1e999999999999999999999\n9: b\n", "must both be text"),
        ("a.test: !!int 'x'\n", "x"),
        ('a.test: "\\U99999999"\n', "too large"),
        ("a: &a [x]\n? [*a, *a]\n: b\n", "anchors and aliases"),
        ("[" * 100_000, "nested too deeply"),
        ("? [" + "x, " * 9000 + "x]\n: b\n", "must both be text"),
    ],
)
def test_a_map_that_no_one_would_write_is_refused_in_short(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(content)
    with pytest.raises(TenantsFileError, match=said) as raised:
        load_tenants(path)
    assert len(str(raised.value)) < 1000
