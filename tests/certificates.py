"""Certificates for servers that live for one test: of an authority that a client can be told to trust."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A context for a server at 127.0.0.1, and the file that a client must trust."""
    authority = Authority(folder / "sink.pem")
    return authority.server(folder / "sink-server.pem"), authority.file


class Authority:
    """Signs certificates of servers; `file` is what a client trusts."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("authority of a test")
        signed = _certificate(
            self._name, self._key.public_key(), self._name, _now() + dt.timedelta(days=1)
        ).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        file.write_bytes(signed.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, file: Path, *, name: str = "server", address: str = "127.0.0.1", is_expired: bool = False) -> Path:
        """Writes a certificate for the address, and its key, into one file, which is returned."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = _now() + (dt.timedelta(minutes=-1) if is_expired else dt.timedelta(days=1))
        at = x509.IPAddress(ipaddress.ip_address(address))
        certificate = _certificate(_named(name), key.public_key(), self._name, until).add_extension(
            x509.SubjectAlternativeName([at]), critical=False
        )
        pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        file.write_bytes(
            certificate.sign(self._key, hashes.SHA256()).public_bytes(pem)
            + key.private_bytes(pem, kind, serialization.NoEncryption())
        )
        return file

    def server(self, file: Path, *, address: str = "127.0.0.1", is_expired: bool = False) -> ssl.SSLContext:
        """The context of a server with a certificate for the address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(file, address=address, is_expired=is_expired))
        return context


def _certificate(
    name: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name, until: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - dt.timedelta(hours=1))
        .not_valid_after(until)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
