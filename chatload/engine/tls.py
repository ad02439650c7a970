"""Describes a failed TLS handshake, with a remedy."""

from __future__ import annotations

import ssl

SELF_SIGNED, UNKNOWN_ISSUER, EXPIRED, NOT_YET, WRONG_NAME, WRONG_ADDRESS = (
    (18, 19),
    (2, 20, 21),
    10,
    9,
    62,
    64,
)
"""OpenSSL's verify codes (X509_V_ERR_…)."""
TRUST = "trust it with --ca-file, or accept any certificate with --insecure on"
PLAIN = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "UNKNOWN_PROTOCOL",
)
"""OpenSSL's names for an answer that is not TLS."""


def failure_words(error: OSError, name: str) -> str:
    """Why a handshake failed, with a remedy if there is one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code in SELF_SIGNED:
            return f"its certificate is signed by itself, or by a CA of its own: {TRUST}"
        if code in UNKNOWN_ISSUER:
            return f"its certificate is signed by a CA that this machine does not know: {TRUST}"
        if code in (EXPIRED, NOT_YET):
            when = "has expired" if code == EXPIRED else "is not valid yet"
            return f"its certificate {when} (or this machine's clock is wrong): renew it, or --insecure on"
        if code in (WRONG_NAME, WRONG_ADDRESS):
            return f"its certificate is not for {name}: give the name it is for in --host, or --insecure on"
        return f"its certificate is not accepted ({error.verify_message}): {TRUST}"
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    if is_plain(error):
        return f"the port does not use TLS ({reason}): is it http://?"
    if isinstance(error, ssl.SSLError) and (
        "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason
    ):
        return f"{reason}: if it wants a client certificate, name one with --client-cert"
    return str(reason)


def is_plain(error: BaseException | None) -> bool:
    """Whether a handshake failed because the server does not use TLS."""
    return isinstance(error, ssl.SSLError) and any(word in str(error) for word in PLAIN)
