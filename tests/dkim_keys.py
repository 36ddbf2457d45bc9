"""Keys for DKIM as an operator would make them, the DNS answers that belong to them, and a verifier that asks those."""

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class KeyPair:
    """A private key as PEM, and what stands in the DNS for it."""

    pem: bytes
    record: bytes

    def written(self, folder: Path, mode: int = 0o600) -> Path:
        path = folder / "dkim-key"
        path.write_bytes(self.pem)
        path.chmod(mode)
        return path


@cache
def rsa_key(bits: int = 2048) -> KeyPair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(pem(key), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public))


@cache
def ed25519_key() -> KeyPair:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return KeyPair(pem(key), b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public))


def pem(key: PrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def verifies(content: bytes, records: dict[str, bytes]) -> bool:
    """Whether a receiver takes the first signature for good; `records` is the DNS, by name."""

    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name.decode("ascii").removesuffix("."))

    try:
        return bool(dkim.DKIM(content).verify(dnsfunc=answer))
    except dkim.ValidationError:
        return False
