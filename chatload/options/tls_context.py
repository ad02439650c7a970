"""The TLS context of the options: trusted certificates, and the client's own."""

from __future__ import annotations

import ssl
from typing import TypeVar

from chatload.model.errors import UsageError

C = TypeVar("C", bound=ssl.SSLContext)


def tls_context(kind: type[C], ca_file: str, client_cert: str, client_key: str, *, insecure: bool) -> C:
    """A client's context of type `kind`. Raises UsageError with one line for each file that cannot be used."""
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    mistakes = []
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ValueError) as error:
            mistakes.append(f"--ca-file {ca_file!r}: {_file_words(error, 'certificates')}")
    if client_cert:
        try:
            context.load_cert_chain(client_cert, client_key or None, password=_no_pass_phrase)
        except _LockedKeyError:
            mistakes.append(f"--client-cert {client_cert!r}: its key has a pass phrase: give one without")
        except (OSError, ValueError) as error:
            words = _file_words(error, "certificate with its key (or --client-key)")
            mistakes.append(f"--client-cert {client_cert!r}: {words}")
    if mistakes:
        raise UsageError(mistakes)
    if not insecure and not ca_file:
        context.load_default_certs()
    return context


class _LockedKeyError(Exception):
    """A private key has a pass phrase. Without the callback OpenSSL would prompt for it on the terminal."""


def _no_pass_phrase() -> bytes:
    raise _LockedKeyError


def _file_words(error: Exception, holds: str) -> str:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "no PEM").replace("_", " ").lower()
        return f"holds no {holds} that can be used ({reason}): give PEM files"
    return getattr(error, "strerror", None) or str(error)
