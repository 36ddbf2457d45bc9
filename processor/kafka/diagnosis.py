"""Why brokers cannot be talked to, where the client itself does not say: asked once more, by a TLS handshake of our own.

The client says of any certificate that it could not be verified, and of a broker that speaks TLS where it does not, that the
connection was closed. Nothing but the handshake is sent. Of a file that it cannot read it gives a code of OpenSSL's.
"""

import contextlib
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

_WAIT_S = 2.0
_OWN_TRUST = ("ssl.ca.pem", "ssl.ca.certificate.stores", "ssl_ca", "ssl.keystore.location", "ssl.engine.location")
"""Where one of these is set, our own handshake would trust others than the client does, and would prove nothing."""

_TRUSTED_BUT_WRONG = (10, 62, 64)
"""OpenSSL's codes for a certificate that has expired, and one for another name or address."""


def unreadable_file(properties: Mapping[str, object]) -> str | None:
    """The first property for TLS whose file cannot be read, and why; None where all can."""
    for name, place in properties.items():
        if not (name.startswith("ssl.") and name.endswith(".location")) or place == "probe":
            continue
        try:
            with Path(str(place)).open("rb"):
                pass
        except IsADirectoryError:
            continue  # of certificates
        except OSError as error:
            return f"{name}: cannot read {place}: {error.strerror}"
    return None


def explained(bootstrap_servers: str, properties: Mapping[str, str]) -> str | None:
    """What is wrong between these properties and the first server that they are for; None where that cannot be told."""
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].rpartition(":")
    protocol = properties.get("security.protocol", "plaintext").lower()
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _WAIT_S) as connection:
            connection.settimeout(_WAIT_S)
            if protocol in ("ssl", "sasl_ssl"):
                return _with_tls(connection, host.strip("[]"), protocol, properties)
            return _without_tls(connection, protocol)
    except OSError:
        return None  # nobody is there, and the client has said so


def _with_tls(connection: socket.socket, host: str, protocol: str, properties: Mapping[str, str]) -> str | None:
    try:
        context = _trusting(properties)
    except (OSError, ssl.SSLError):
        return None
    if context is None:
        return None
    try:
        with context.wrap_socket(connection, server_hostname=host):
            pass
    except ssl.SSLCertVerificationError as error:
        trust = "" if error.verify_code in _TRUSTED_BUT_WRONG else "; ssl.ca.location says whom to trust"
        return f"its certificate is refused: {error.verify_message.rstrip('.')}{trust}"
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return f"it does not speak TLS there, and security.protocol is {protocol.upper()}"
    if protocol == "ssl":
        return "it closes the connection after the handshake, and security.protocol is SSL: SASL_SSL, with a login?"
    return None


def _without_tls(connection: socket.socket, protocol: str) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whether it speaks TLS at all: nothing is said to it
    with contextlib.suppress(ssl.SSLError, ConnectionResetError, BrokenPipeError), context.wrap_socket(connection):
        return f"it speaks TLS there, and security.protocol is {protocol.upper()}: SASL_SSL or SSL?"
    return None


def _trusting(properties: Mapping[str, str]) -> ssl.SSLContext | None:
    """A context that trusts whom the client trusts, as far as that can be done."""
    if any(name in properties for name in _OWN_TRUST):
        return None
    if properties.get("enable.ssl.certificate.verification", "true").lower() == "false":
        return None
    place = properties.get("ssl.ca.location")
    if place is None or place == "probe":
        context = ssl.create_default_context()
    elif Path(place).is_dir():
        context = ssl.create_default_context(capath=place)
    else:
        context = ssl.create_default_context(cafile=place)
    if properties.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    return context
