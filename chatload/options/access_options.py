"""Options for reaching and authenticating to the server: path, headers, the key's header, cookies, certificates."""

from __future__ import annotations

import re
import ssl

import msgspec

from chatload.model.errors import UsageError
from chatload.options.option import FileName, Group, InvalidValue, Option, Switch, Text, declared
from chatload.options.option_reader import OptionReader
from chatload.options.request_headers import Headers, header_mistake
from chatload.options.tls_context import tls_context

_WORD = re.compile(r"[A-Za-z-]{0,20}")


class AuthHeader(msgspec.Struct, frozen=True):
    """The header of the API key: its name, and the word before the key, such as Bearer."""

    name: str = "Authorization"
    word: str = "Bearer"

    def value(self, key: str) -> str:
        """The header's value for this key."""
        return f"{self.word} {key}" if self.word else key


class AuthHeaderOption(Option[AuthHeader]):
    """`NAME`, or `NAME: WORD` for a word before the key. `Authorization` alone means the word Bearer."""

    def parse(self, text: str) -> AuthHeader:
        """The header. Raises InvalidValue if it is invalid, or one that chatload sets itself."""
        name, colon, word = (part.strip() for part in text.partition(":"))
        problem = header_mistake(name)
        if problem:
            raise InvalidValue(f"{problem}: give a header's name, such as api-key")
        if not _WORD.fullmatch(word):
            raise InvalidValue(
                "one word at most after the colon, such as 'Authorization: Basic', and never the key"
            )
        if not colon and name.lower() == "authorization":
            word = "Bearer"
        return AuthHeader(name, word)


class HeaderName(Option[str]):
    """The name of a header, or empty."""

    def parse(self, text: str) -> str:
        """The name. Raises InvalidValue if it is invalid, or one that chatload sets itself."""
        problem = header_mistake(text) if text else None
        if problem:
            raise InvalidValue(problem)
        return text


PATH = Text(
    name="path",
    default="",
    group=Group.SERVER,
    label="Path of the chat route",
    help="whole path of the chat route, with its query, where --host does not tell it; empty: as the server has it",
)


HEADERS = Headers(
    name="headers",
    default="{}",
    group=Group.SERVER,
    private=True,
    label="More request headers",
    help='more request headers as JSON, such as {"X-Team": "a"}; no secrets',
)
BEARER = AuthHeader()
AUTH_HEADER = AuthHeaderOption(
    name="auth-header",
    default="Authorization",
    group=Group.SERVER,
    private=True,
    label="Header of the API key",
    help="header that carries the key in CHATLOAD_API_KEY, such as api-key; Authorization sends it after Bearer",
)
SESSION_HEADER = HeaderName(
    name="session-header",
    default="",
    group=Group.SERVER,
    label="Header that names the conversation",
    help="header with a value of its own for each conversation, the same in all its turns, such as X-Session-ID",
)
COOKIES = Switch(
    name="cookies",
    default="off",
    group=Group.SERVER,
    label="Keep cookies",
    help="each user sends back the cookies it was given, as sticky load balancers need it",
)
INSECURE = Switch(
    name="insecure",
    default="off",
    group=Group.SERVER,
    label="Accept any TLS certificate",
    help="do not verify the server's TLS certificate; the report says so",
)
CA_FILE = FileName(
    name="ca-file",
    default="",
    group=Group.SERVER,
    label="File of CA certificates",
    help="PEM file of the certificates to trust in place of the system's; each worker reads its own",
)
CLIENT_CERT = FileName(
    name="client-cert",
    default="",
    group=Group.SERVER,
    private=True,
    label="Client certificate",
    help="PEM file of a client certificate, with its key unless --client-key names it; each worker reads its own",
)
CLIENT_KEY = FileName(
    name="client-key",
    default="",
    group=Group.SERVER,
    private=True,
    label="Key of the client certificate",
    help="PEM file of the client certificate's key, without a pass phrase",
)


ACCESS_OPTIONS: tuple[Option[object], ...] = declared(globals())


class Access(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The values of these options. `session_header` and the file names are empty where not given."""

    auth_header: AuthHeader = BEARER
    session_header: str = ""
    cookies: bool = False
    ca_file: str = ""
    client_cert: str = ""
    client_key: str = ""


NO_ACCESS = Access()
"""The defaults."""


def read_access(reader: OptionReader, *, insecure: bool, headers: dict[str, str]) -> Access:
    """The values of these options, checked against --insecure and --headers; mistakes are added to the reader."""
    access = Access(
        auth_header=reader.get(AUTH_HEADER),
        session_header=reader.get(SESSION_HEADER),
        cookies=reader.get(COOKIES),
        ca_file=reader.get(CA_FILE),
        client_cert=reader.get(CLIENT_CERT),
        client_key=reader.get(CLIENT_KEY),
    )
    names = [name.lower() for name in headers]
    for option, name in ((AUTH_HEADER, access.auth_header.name), (SESSION_HEADER, access.session_header)):
        if name.lower() in names:
            reader.add_mistake(option, name, "--headers sets this header too: leave one of them out")
    if access.session_header.lower() == access.auth_header.name.lower():
        reader.add_mistake(SESSION_HEADER, access.session_header, "is the header of the API key")
    if access.client_key and not access.client_cert:
        reader.add_mistake(CLIENT_KEY, access.client_key, "--client-cert must name its certificate")
    if access.ca_file and insecure:
        words = "--insecure on verifies no certificate: leave one of them out"
        reader.add_mistake(CA_FILE, access.ca_file, words)
    if access.ca_file or access.client_cert:
        _check_files(reader, access, insecure=insecure)
    return access


def _check_files(reader: OptionReader, access: Access, *, insecure: bool) -> None:
    try:
        files = access.ca_file, access.client_cert, access.client_key
        tls_context(ssl.SSLContext, *files, insecure=insecure)
    except UsageError as error:
        reader.mistakes += error.lines
