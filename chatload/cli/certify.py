"""`chatload certify`: measure the client's own errors on this machine, at the load of a scenario."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatload.certify.make_certificate import certificate, within, words
from chatload.certify.measure import Measured, measure
from chatload.certify.process_placement import Placement
from chatload.cli.output_file import STDOUT
from chatload.model.certificate import Certificate, CertifiedLoad
from chatload.model.errors import UsageError
from chatload.model.sanitize import json_text
from chatload.options.command_parser import Parser
from chatload.protocols.registry import DIALECTS
from chatload.store.manifest import write_json

SEARCH_FACTOR = 1.5
SEARCH_MOST = 4000


def certify(arguments: Sequence[str]) -> int:
    """Run `chatload certify`; returns the exit code."""
    given = _parser().parse_args(arguments)
    load = _load(given)
    out = Path(given.out)
    if given.out != STDOUT:
        _refuse_unwritable(out)
    with tempfile.TemporaryDirectory(prefix="chatload-certify-") as scratch:
        folder = Path(given.keep) if given.keep else Path(scratch)
        placement = Placement()
        measured: list[Measured] = []
        for index in range(given.repeat):
            _say(f"{index + 1} of {given.repeat}: {load.users:,} users, at least {load.least_s:.0f} s")
            measured.append(measure(load, folder / f"{index + 1}", placement))
        made = certificate(load, measured)
        if given.search:
            made.largest_users_within_1_ms = _search(load, made, folder, placement)
    made.not_done = placement.not_done
    if placement.words:
        _say(placement.words)
    if given.out == STDOUT:
        sys.stderr.write(words(made))
        sys.stdout.write(json_text(msgspec.to_builtins(made)))
    else:
        write_json(out, made)
        sys.stdout.write(words(made))
        sys.stdout.write(f"certificate: {out}; name it with --certificate {out}\n")
    return 0 if within(made) else 4


def _refuse_unwritable(out: Path) -> None:
    """Before the measurement, which takes minutes: UsageError where the certificate cannot be written."""
    try:
        if out.parent.exists() and not out.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        out.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(out.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError([f"--out {out}: cannot be written: {error.strerror}"]) from error


def _search(load: CertifiedLoad, made: Certificate, folder: Path, placement: Placement) -> int:
    """The most users within 1 ms: multiply or divide the users by 1.5 until the verdict changes."""
    good = load.users if within(made) else 0
    users = load.users
    while True:
        users = round(users * SEARCH_FACTOR) if good else round(users / SEARCH_FACTOR)
        if not 1 <= users <= SEARCH_MOST:
            return good
        _say(f"search: {users:,} users")
        tried = msgspec.structs.replace(load, users=users, users_per_s=load.users_per_s * users / load.users)
        try:
            bore = within(certificate(tried, [measure(tried, folder / f"search-{users}", placement)]))
        except UsageError as error:
            _say(error.lines[0])
            bore = False
        if good and not bore:
            return good
        if bore:
            if not good:
                return users
            good = users


def _load(given: argparse.Namespace) -> CertifiedLoad:
    problems = [
        f"--{name.replace('_', '-')} {getattr(given, name)}: must be more than 0"
        for name in ("users", "tokens_per_s", "turns", "tokens", "ramp_s", "repeat")
        if getattr(given, name) <= 0
    ]
    problems += [
        f"--{name.replace('_', '-')} {getattr(given, name)}: must be 0 or more"
        for name in ("ttft_ms", "jitter_ms", "think_time")
        if getattr(given, name) < 0
    ]
    if problems:
        raise UsageError(problems)
    return CertifiedLoad(
        users=given.users,
        users_per_s=given.users / given.ramp_s,
        turns=given.turns,
        think_time_s=given.think_time,
        ttft_ms=given.ttft_ms,
        tokens_per_s=given.tokens_per_s,
        tokens=given.tokens,
        jitter_ms=given.jitter_ms,
        burst=given.burst,
        wire=given.wire,
        stamps=given.stamps,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser("certify", description=__doc__)
    add = parser.add_argument
    add("--users", type=int, default=100, help="chat users, as in your scenario")
    add("--tokens-per-s", type=float, default=40.0, help="tokens/s of each user's reply")
    add("--tokens", type=int, default=100, help="length of each reply")
    add("--turns", type=int, default=4)
    add(
        "--think-time",
        type=float,
        default=0.5,
        help="s after each reply; 0: read at once, not every few ms",
    )
    add("--ramp-s", type=float, default=5.0, help="s over which the users start")
    add("--ttft-ms", type=float, default=100.0)
    add("--jitter-ms", type=float, default=0.0, help="each token is late by up to this")
    add("--burst", action="store_true", help="all users' tokens are sent at the same instants")
    add("--wire", default=next(iter(DIALECTS)), metavar="DIALECT", help="dialect that the server speaks")
    add("--stamps", default="kernel", choices=("kernel", "user"))
    add("--repeat", type=int, default=1)
    add("--search", action="store_true", help="also look for the largest load within 1 ms")
    add(
        "--out",
        default="results/certificate.json",
        help="where to write the certificate (-: standard output)",
    )
    add("--keep", default="", help="folder to keep truth log and run folders in")
    return parser


def _say(line: str) -> None:
    print(f"certify: {line}", file=sys.stderr, flush=True)
