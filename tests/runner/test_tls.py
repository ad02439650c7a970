"""TLS: what a handshake or a certificate fails of is told with its remedy; --ca-file and --client-cert make it work."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatload.engine.api_key import NO_KEY
from chatload.engine.tls import failure_words
from chatload.model.errors import UsageError
from chatload.runner.no_server import Unfit
from chatload.runner.preflight import preflight
from tests.plans import plan_of
from tests.runner.answering import Answering, models

MODELS = {"/v1/models": models("m")}
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and certificates of it with their keys: good (for 127.0.0.1), other (for another name), me (a client)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "self"):
        openssl(
            "req",
            "-x509",
            *EC,
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            f"/CN={name}",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        )
    for name, of in (("good", "IP:127.0.0.1"), ("other", "DNS:other.example"), ("me", "DNS:me")):
        (folder / "ext").write_text(f"subjectAltName={of}\n", encoding="ascii")
        openssl("req", *EC, "-nodes", "-keyout", f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
        openssl(
            "x509",
            "-req",
            "-in",
            "csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "ext",
            "-out",
            f"{name}.pem",
        )
    openssl("ec", "-in", "me.key", "-aes256", "-passout", "pass:CANARY", "-out", "locked.key")
    return folder


@pytest.fixture
def start(made: Path) -> Iterator[Callable[..., str]]:
    """Starts a server with a certificate (None: a plain one), which may want one of its clients."""
    running: list[Answering] = []

    def start(certificate: str | None, *, wants_client: bool = False) -> str:
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(made / f"{certificate}.pem", made / f"{certificate}.key")
            if wants_client:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(made / "ca.pem")
        running.append(Answering(MODELS, tls=context))
        return running[-1].authority

    yield start
    for one in running:
        one.close()


def said(host: str, **options: str) -> str:
    """Why a host cannot be loaded; "fits" where it can."""
    try:
        preflight(plan_of("chat", {"host": host, **options}), NO_KEY)
    except Unfit as error:
        return str(error)
    return "fits"


@pytest.mark.e2e
def test_plain_and_encrypted_ports_are_told_apart(start: Callable[..., str]) -> None:
    assert said(f"https://{start(None)}").endswith(
        "this port speaks plain HTTP, not TLS: write http:// in --host"
    )
    assert said(f"http://{start('good')}").endswith(
        "this port speaks TLS, not plain HTTP: write https:// in --host"
    )


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("certificate", "ca", "words"),
    [
        (
            "self",
            "",
            "signed by itself, or by a CA of its own: trust it with --ca-file, or accept any certificate with",
        ),
        ("good", "", "a CA that this machine does not know: trust it with --ca-file"),
        ("other", "ca", "its certificate is not for 127.0.0.1: give the name it is for in --host"),
        ("self", "ca", "--insecure on"),
        ("self", "self", "fits"),
        ("good", "ca", "fits"),
    ],
)
def test_a_certificate_that_is_not_accepted_says_what_to_do(
    start: Callable[..., str], made: Path, certificate: str, ca: str, words: str
) -> None:
    host = f"https://{start(certificate)}"
    options = {"ca_file": str(made / f"{ca}.pem")} if ca else {}
    assert words in said(host, **options)
    assert said(host, insecure="on") == "fits"


@pytest.mark.e2e
def test_a_client_certificate(start: Callable[..., str], made: Path) -> None:
    host, ca = f"https://{start('good', wants_client=True)}", str(made / "ca.pem")
    assert "if it wants a client certificate, name one with --client-cert" in said(host, ca_file=ca)
    mine = {"ca_file": ca, "client_cert": str(made / "me.pem")}
    assert said(host, **mine, client_key=str(made / "me.key")) == "fits"
    for options, words in (
        (mine, "holds no certificate with its key"),
        ({**mine, "client_key": str(made / "locked.key")}, "its key has a pass phrase"),
        ({**mine, "client_key": str(made / "good.key")}, "holds no certificate with its key"),
    ):
        with pytest.raises(UsageError) as caught:
            plan_of("chat", {"host": host, **options})
        (line,) = caught.value.lines
        assert words in line
        assert "CANARY" not in line


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (18, "signed by itself"),
        (19, "signed by itself"),
        (20, "does not know"),
        (10, "has expired"),
        (9, "is not valid yet"),
        (62, "is not for gpu"),
        (64, "is not for gpu"),
        (23, "is not accepted"),
    ],
)
def test_what_openssl_finds_in_plain_words(code: int, words: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "words"
    assert words in failure_words(error, "gpu")
