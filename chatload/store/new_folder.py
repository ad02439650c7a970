"""Makes the folder of a run and reserves it, so that no two runs share one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from chatload.model.errors import UsageError
from chatload.store.journal_files import PATTERNS
from chatload.store.manifest import MANIFEST

_RUN_FILES = (MANIFEST, "summary.json", *PATTERNS)
HOLDS_A_RUN = "already holds a run: name a new folder, or move that run"
REMEDY = "name a folder that can be written"


def take_folder(wanted: Path, *, numbered: bool) -> Path:
    """Make `wanted` and reserve it for the caller, by creating an empty manifest in it.

    If it belongs to another run: the next free name of `wanted-2`, `wanted-3` … if `numbered`, else FileExistsError.
    OSError (or ValueError, for a NUL) if the folder cannot be made. An existing folder without a run, such as a
    mounted volume, is used as it is.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if wanted.name in ("", ".."):
        wanted = wanted.resolve()
    folder, number = wanted, 1
    while not _reserve(folder):
        if not numbered or not wanted.name:  # "/" has no name that could be numbered
            raise FileExistsError(f"{folder}: {HOLDS_A_RUN}")
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def _reserve(folder: Path) -> bool:
    """Reserve the folder, unless it holds a run: only one process can create the manifest. Whether it succeeded."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file has this name", str(folder)) from None
        if holds_run(folder):
            return False
    try:
        os.close(os.open(folder / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def holds_run(folder: Path) -> bool:
    """Whether the folder holds files of a run."""
    return any(next(folder.glob(pattern), None) is not None for pattern in _RUN_FILES)


def run_folder(out: str, default: Path, *, numbered: bool) -> Path:
    """Make the folder of a new run: `out` if it is given, else `default`, numbered if that is another run's.

    UsageError if it cannot be made or is another run's. `numbered`: `out` is numbered too.
    """
    mistake = out_mistake(out, numbered=numbered) if out else None
    if mistake:
        raise UsageError([mistake])
    wanted = Path(out) if out else default
    named = f"--out {_short(out)}" if out else str(default)
    try:
        return take_folder(wanted, numbered=numbered or not out)
    except FileExistsError as error:
        words = HOLDS_A_RUN if error.errno is None else _obstacle(wanted)
        raise UsageError([f"{named}: {words}"]) from error
    except NotADirectoryError as error:
        raise UsageError([f"{named}: {_obstacle(wanted)}"]) from error
    except OSError as error:
        raise UsageError([f"{named}: cannot be made ({error.strerror}): {_remedy(out)}"]) from error


def out_mistakes(out: str, argv: Sequence[str]) -> list[str]:
    """The mistakes in --out; makes no folder. `argv`: the command line."""
    if not out and gives_empty_out(argv):
        return ["--out '': is empty: name a folder, or leave out --out"]
    mistake = out_mistake(out) if out else None
    return [mistake] if mistake else []


def out_mistake(out: str, *, numbered: bool = False) -> str | None:
    """Why a run cannot be written to `out`; None if it probably can. Makes no folder."""
    wrong = name_mistake(out)
    if wrong:
        return wrong
    path = Path(out)
    for place in (path, *path.parents):
        try:
            mode = place.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            if place.is_symlink():
                return f"--out {_short(out)}: {_obstacle(path)}"
            continue
        except OSError as error:
            return f"--out {_short(out)}: cannot be made ({error.strerror}): {REMEDY}"
        if not stat.S_ISDIR(mode):
            return f"--out {_short(out)}: {_obstacle(path)}"
        if place == path and not numbered and holds_run(path):
            return f"--out {_short(out)}: {HOLDS_A_RUN}"
        return _place_mistake(out, path, place)
    return None


def _place_mistake(out: str, path: Path, place: Path) -> str | None:
    """The mistake in a path whose nearest existing folder is `place`."""
    if not os.access(place, os.W_OK | os.X_OK):
        return f"--out {_short(out)}: cannot be made ({place} cannot be written): {REMEDY}"
    longest = os.pathconf(place, "PC_NAME_MAX")
    if any(len(os.fsencode(part)) > longest for part in path.parts):
        return f"--out {_short(out)}: a name in it is longer than {longest} bytes: {REMEDY}"
    return None


def name_mistake(out: str) -> str | None:
    """The mistake in the text of `--out FOLDER` itself, in one line; None if there is none."""
    wrong = None
    if out and not out.strip():
        wrong = "is blank: name a folder, or leave out --out"
    elif "\0" in out:
        wrong = f"holds a NUL character: {REMEDY}"
    elif not out.isprintable() or any("\ud800" <= character <= "\udfff" for character in out):
        wrong = f"holds characters that cannot be printed: {REMEDY}"
    elif out == "-":
        wrong = "standard output is no folder: name one"
    elif out.startswith("~"):
        wrong = "the shell did not replace the ~: write the whole path"
    return f"--out {_short(out)}: {wrong}" if wrong else None


def gives_empty_out(argv: Sequence[str]) -> bool:
    """Whether the command line has `--out ""`, most likely from a variable that is not set."""
    after = (argv[at + 1] for at, word in enumerate(argv[:-1]) if word == "--out")
    return any(not value.strip() for value in after) or any(
        word.startswith("--out=") and not word[len("--out=") :].strip() for word in argv
    )


def _obstacle(path: Path) -> str:
    """The message for a path that a file or a broken link blocks."""
    for place in (path, *path.parents):
        if place.is_symlink() and not place.exists():
            return f"{place} is a broken link: {REMEDY}"
        if place.exists() and not place.is_dir():
            return f"{place} is a file: {REMEDY}"
    return f"cannot be made: {REMEDY}"


def _remedy(out: str) -> str:
    return REMEDY if out else "name a folder that can be written with --out"


def _short(out: str) -> str:
    return repr(out if len(out) <= 160 else f"{out[:157]}…")
