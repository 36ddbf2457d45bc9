"""DKIM signatures under our mails (RFC 6376; Ed25519: RFC 8463), the same for the same mail."""

import base64
import binascii
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import dkim
import structlog
from dkim.crypto import UnparsableKeyError, parse_pem_private_key

from processor.policies.addresses import domain_of
from processor.settings import NotifierSettings

_log = structlog.get_logger(__name__)

SIGNED_HEADERS = (
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type", "Auto-Submitted",
    "Content-Language",
)  # fmt: skip
_NEVER_OURS = ("Cc", "Reply-To")
RSA_BITS_MIN = 2048
"""RFC 8301, section 3.2, asks signers for so many; some receivers take no fewer."""
_ED25519_DER = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 octets of an Ed25519 key in PKCS#8 (RFC 8410, section 7)."""


class CannotSign(Exception):
    """DKIM is configured and cannot work; the text says what to do."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key as dkimpy takes it: RSA as PEM, Ed25519 as the base64 of its 32 octets."""

    algorithm: str
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """The key in a file's content: PEM (PKCS#1, PKCS#8), or a line of base64 for Ed25519. CannotSign says what is wrong."""
        lines = b"\n".join(line.strip() for line in text.splitlines())
        if b"ENCRYPTED" in lines:
            raise CannotSign(
                "the key is encrypted; a worker has nobody to ask for the passphrase: store it without one"
            )
        if b"-----BEGIN" not in lines:
            return cls("ed25519-sha256", _ed25519(lines))
        body = re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s(.*?)-----END", lines, re.DOTALL)
        if body is None:
            raise CannotSign("there is no private key in it (a public one, or a certificate?)")
        der = _decoded(body[1])
        if der.startswith(_ED25519_DER):
            return cls("ed25519-sha256", _ed25519(base64.b64encode(der.removeprefix(_ED25519_DER))))
        try:
            modulus = parse_pem_private_key(lines)["modulus"]
        except (UnparsableKeyError, AssertionError) as problem:
            raise CannotSign("it is neither an RSA nor an Ed25519 key") from problem
        if modulus.bit_length() < RSA_BITS_MIN:
            raise CannotSign(f"the RSA key has {modulus.bit_length()} bits; receivers ask for {RSA_BITS_MIN} or more")
        return cls("rsa-sha256", lines)


class Signer:
    """Signs mails for one domain. `name` is where receivers look for the public key."""

    def __init__(self, key: SigningKey, *, selector: str, domain: str) -> None:
        """CannotSign where the key looks right and yet does not sign."""
        self._key = key
        self._selector = selector
        self._domain = domain
        try:
            self.signed(b"From: a@example.org\r\n\r\n\r\n", 0)
        except (dkim.DKIMException, ArithmeticError, ValueError) as problem:
            raise CannotSign(f"the key does not sign: {problem}") from problem

    @property
    def name(self) -> str:
        return f"{self._selector}._domainkey.{self._domain}"

    def signed(self, content: bytes, date_ms: int) -> bytes:
        """The mail with a signature before it. The same mail gets the same signature: its time is the mail's own date."""
        mail = _DatedSignature(content, date_ms)
        signature = mail.sign(
            self._selector.encode(),
            self._domain.encode(),
            self._key.secret,
            signature_algorithm=self._key.algorithm.encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=_oversigned([name.decode("ascii") for name, _ in mail.headers]),
        )
        return bytes(signature) + content


class _DatedSignature(dkim.DKIM):  # type: ignore[misc] # dkimpy ships no types
    """A signature made at the mail's date: dkimpy would put the time of signing into it, and a repeat would be another mail."""

    def __init__(self, content: bytes, date_ms: int) -> None:
        super().__init__(content, linesep=b"\r\n")
        self._seconds = str(max(0, date_ms // 1000)).encode()

    def gen_header(self, fields: Sequence[tuple[bytes, bytes]], *others: Any, **named: Any) -> Any:
        dated = [(name, self._seconds if name == b"t" else value) for name, value in fields]
        return super().gen_header(dated, *others, **named)


def _oversigned(present: Sequence[str]) -> list[bytes]:
    """Each header once more than it occurs, so that nobody can add another one (RFC 6376, section 8.15)."""
    return [
        name.encode()
        for name in (*SIGNED_HEADERS, *_NEVER_OURS)
        for _ in range(1 + sum(name.lower() == each.lower() for each in present))
    ]


def signer_of(settings: NotifierSettings) -> Signer | None:
    """What signs the notifier's mails; None where no key is configured. Raises CannotSign."""
    if settings.dkim_key_file is None or settings.dkim_selector is None:
        return None
    domain = _aligned(settings.dkim_domain, settings.sender_address)
    try:
        key = SigningKey.parse(_content_of(settings.dkim_key_file))
        return Signer(key, selector=settings.dkim_selector, domain=domain)
    except CannotSign as problem:
        raise CannotSign(f"notifier.dkim_key_file: {settings.dkim_key_file}: {problem}") from problem


def _content_of(path: Path) -> bytes:
    try:
        if path.stat().st_mode & stat.S_IROTH:
            _log.warning("everybody on this machine can read the DKIM key: chmod o-r", file=str(path))
        return path.read_bytes()
    except OSError as problem:
        raise CannotSign(f"cannot read it: {problem.strerror}") from problem


def _aligned(domain: str | None, sender_address: str) -> str:
    """The domain that signs: by default that of the From address, which DMARC compares it with (RFC 7489, section 3.1)."""
    author = _in_a_labels(domain_of(sender_address) or "")
    signing = _in_a_labels(domain) if domain is not None else author
    if "." not in signing:
        setting = "sender_address" if domain is None else "dkim_domain"
        raise CannotSign(f"notifier.{setting}: {signing} is no domain that can have a key in the DNS")
    if signing != author and not author.endswith(f".{signing}") and not signing.endswith(f".{author}"):
        raise CannotSign(
            f"notifier.dkim_domain: {signing} is not the domain of notifier.sender_address ({sender_address}), nor one above "
            "or below it: receivers would not take the signature for that address's"
        )
    return signing


def _in_a_labels(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return domain.lower()


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as problem:
        raise CannotSign("its base64 is damaged") from problem


def _ed25519(text: bytes) -> bytes:
    try:
        key = _decoded(text)
    except CannotSign:
        key = b""
    if len(key) != 32:
        raise CannotSign("it is no key in PEM, and not the base64 of the 32 octets of an Ed25519 key")
    return b"".join(text.split())
