"""Fast path for events that differ only in their text, as most events of a chat reply do: their JSON is not parsed.

Servers repeat id, model and other fields in every event. If a read has the same bytes before and after its text as an
event that was decoded in full, it differs from that event in the text only. Any other read, and one with an escape or a
control character in its text, is decoded in full. Counts after the text may differ, too: the running count of a usage,
or the ids of an event's tokens.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from chatload.model.errors import TurnError
from chatload.model.turn import Delta, TextDeltas, Usage
from chatload.protocols.body_reads import BodyReads

MOST_FAILED_TRIES = 4
"""After so many templates that matched no event, all further events of a reply are decoded in full."""
MOST_DIGITS = 9
_PROBE = "probe"
_PLACES = 4
_RUNNING = re.compile(r'"(completion_tokens|total_tokens)":\s*(\d+)')
_IDS = re.compile(r'"(output_ids|token_ids)":\s*\[([\d, ]*)\]')


class RepeatedEvents:
    """The template of a reply's events. `decode` reads the data of one event in full and keeps no state."""

    def __init__(self, decode: Callable[[str], Delta]) -> None:
        self._decode = decode
        self._tries = 0
        self._before = self._after = b""
        self._between: tuple[bytes, ...] = ()  # the bytes between the text and the counts
        self._kinds: tuple[str, ...] = ()
        self._usage: Usage | None = None
        self._form = b""  # the bytes after a text, with %d for a running count and the total
        self._beyond = (0, 0)  # for an event of one token: these two numbers − the running count so far
        self._made = self._prompt = 0
        self._reasoning = False
        self._reply_id: str | None = None

    def take(self, reads: BodyReads) -> TextDeltas | None:
        """Take the reads that match the template, one event each, from those that have arrived.

        None if the next one has to be decoded in full. Waits for one read only. `tokens` of the result are the numbers
        of ids in each event, `running` the counts of a usage.
        """
        if not self._before or not reads.wait():
            return None
        counts: list[int] = []
        alike = self._alike_counting(reads.here, counts) if self._kinds else self._alike(reads.here)
        texts = _printable(alike) if alike else []
        if not texts:
            return None
        first, n = reads.taken, len(texts)
        reads.take(n)
        self._tries = 0
        if not self._kinds:
            return TextDeltas(first, texts, self._reasoning, self._reply_id)
        if self._usage is None:
            return TextDeltas(first, texts, self._reasoning, self._reply_id, counts[:n])
        self._made = counts[n - 1]
        last = msgspec.structs.replace(self._usage, completion_tokens=counts[n - 1])
        return TextDeltas(first, texts, self._reasoning, self._reply_id, None, counts[:n], last)

    def _alike(self, here: deque[bytes]) -> list[bytes]:
        """The texts of the first pieces that match the template and have a text."""
        before, after = self._before, self._after
        last = None if here[-1].endswith(after) else -1  # the last read is often the end of the reply
        found = _between_all([*here][:last], before, after)
        if found:
            return found
        start, end = len(before), -len(after)
        least = start - end
        for piece in here:
            if not piece.endswith(after) or not piece.startswith(before) or len(piece) <= least:
                break
            found.append(piece[start:end])
        return found

    def _alike_counting(self, here: deque[bytes], counts: list[int]) -> list[bytes]:
        """As `_alike`, for events with counts after the text, which are added to `counts`; running ones never fall."""
        before, after, form, made = self._before, self._after, self._form, self._made
        first, second = self._beyond
        start, end = len(before), -len(after)
        found: list[bytes] = []
        for piece in here:
            if not piece.startswith(before):
                break
            ending = form % (made + first, made + second) if form else b""
            if form and piece.endswith(ending):  # most events have one token
                made += 1
                text = piece[start : -len(ending)]
            else:
                text, *told = _split(piece[start:end], self._between)
                count = self._count(told) if piece.endswith(after) else None
                if count is None or (self._usage is not None and count < made):
                    break
                made = count
            if not text:
                break
            counts.append(made)
            found.append(text)
        return found

    def _count(self, told: Sequence[bytes]) -> int | None:
        """The number of ids, or the running count of an event; None if invalid, or if the total is not the sum."""
        if len(told) != len(self._kinds):
            return None
        if self._usage is None:
            return _ids(told[0])
        values = dict(zip(self._kinds, map(_number, told), strict=True))
        made = values["completion_tokens"]
        if made is None or values.get("total_tokens", made + self._prompt) != made + self._prompt:
            return None
        return made

    def learn(self, data: str, delta: Delta) -> None:
        """Use `data`, decoded to `delta`, as the template if it is an event with nothing but text and counts.

        The places of text and counts are verified: with another text and other counts there, the event must decode to
        those and to the same otherwise.
        """
        if self._tries >= MOST_FAILED_TRIES:
            return
        _, answer, reasoning, tool_text, tokens, finish, usage, _ = delta
        if bool(answer) == bool(reasoning) or tool_text or finish is not None:
            return
        if tokens is not None and usage is not None:
            return
        text = answer or reasoning
        self._tries += 1
        self._before = b""
        if usage is None and tokens is None:
            self._learn_text(data, text, delta)
        else:
            self._learn_counting(data, text, delta)

    def _learn_text(self, data: str, text: str, delta: Delta) -> None:
        """Find the place of the text in an event without counts."""
        wanted = _only(_PROBE, bool(delta.reasoning), delta.reply_id)
        for at in _places(data, text):
            before, after = data[:at], data[at + len(text) :]
            if self._decodes_to(before + _PROBE + after, wanted):
                self._keep(delta, before, after)
                self._kinds, self._usage = (), None
                return

    def _learn_counting(self, data: str, text: str, delta: Delta) -> None:
        """Find the places of the text and of the counts after it."""
        found = [*_RUNNING.finditer(data)] if delta.usage is not None else []
        found += [*_IDS.finditer(data)] if delta.tokens is not None else []
        kinds = tuple("ids" if match.re is _IDS else match[1] for match in found)
        for at in _places(data, text):
            pieces = _around(data, [(at, at + len(text)), *(match.span(2) for match in found)])
            if pieces and self._verified(pieces, kinds, delta):
                self._keep(delta, pieces[0], pieces[-1])
                self._between = tuple(piece.encode() for piece in pieces[1:-1])
                self._kinds, self._usage = kinds, delta.usage
                self._made = (delta.usage and delta.usage.completion_tokens) or 0
                self._prompt = (delta.usage and delta.usage.prompt_tokens) or 0
                in_both = {"total_tokens", "completion_tokens"} == set(kinds)
                ending = b"%d".join(piece.replace(b"%", b"%%") for piece in (*self._between, self._after))
                self._form = ending if in_both else b""
                steps = (self._prompt + 1, 1)
                self._beyond = steps if kinds[:1] == ("total_tokens",) else steps[::-1]
                return

    def _keep(self, delta: Delta, before: str, after: str) -> None:
        """Set the template from the parts before the text and after the last count or text."""
        self._before, self._after = f"data: {before}".encode(), f"{after}\n\n".encode()
        self._reasoning, self._reply_id = bool(delta.reasoning), delta.reply_id

    def _verified(self, pieces: list[str], kinds: tuple[str, ...], delta: Delta) -> bool:
        """Whether an event with another text and other counts in these places decodes to those."""
        usage = delta.usage
        made = 1 + ((usage and usage.completion_tokens) or 0)
        told = {
            "ids": "1, 2",
            "completion_tokens": made,
            "total_tokens": made + ((usage and usage.prompt_tokens) or 0),
        }
        if len(set(kinds)) != len(kinds) or (usage is None) != ("completion_tokens" not in kinds):
            return False
        fields = (_PROBE, *(told[kind] for kind in kinds), "")
        probe = "".join(f"{piece}{field}" for piece, field in zip(pieces, fields, strict=True))
        wanted = _only(_PROBE, bool(delta.reasoning), delta.reply_id)._replace(
            tokens=2 if "ids" in kinds else None,
            usage=usage and msgspec.structs.replace(usage, completion_tokens=made),
        )
        return self._decodes_to(probe, wanted)

    def _decodes_to(self, data: str, wanted: Delta) -> bool:
        try:
            return self._decode(data) == wanted
        except TurnError:
            return False


def _places(data: str, text: str) -> Iterator[int]:
    """The first few positions of the text in quotes."""
    at = -1
    for _ in range(_PLACES):
        at = data.find(f'"{text}"', at + 1)
        if at < 0:
            return
        yield at + 1


def _around(data: str, cuts: Sequence[tuple[int, int]]) -> list[str]:
    """The parts of the text between the cuts, (start, end) each; empty if these are not in order."""
    ends = [(0, 0), *cuts, (len(data), len(data))]
    if any(one[1] > two[0] for one, two in pairwise(ends)):
        return []
    return [data[one[1] : two[0]] for one, two in pairwise(ends)]


def _between_all(pieces: list[bytes], before: bytes, after: bytes) -> list[bytes]:
    """The texts between `before` and `after` of pieces that all have both and a text; empty if any piece does not.

    All pieces are checked at once, without interpreted code for each.
    """
    start, end = len(before), -len(after)
    if not pieces or min(map(len, pieces)) <= start - end:
        return []
    texts = [piece[start:end] for piece in pieces]
    # Each piece made of its text is as long as the original, so if the joined bytes are equal, each piece is.
    return texts if before + (after + before).join(texts) + after == b"".join(pieces) else []


def _split(data: bytes, between: Sequence[bytes]) -> list[bytes]:
    """The text and the counts after it; fewer values if the data does not match the template."""
    found: list[bytes] = []
    for piece in between:
        one, there, data = data.partition(piece)
        if not there:
            break
        found.append(one)
    return [*found, data]


def _number(digits: bytes) -> int | None:
    """A whole number of at most MOST_DIGITS digits in JSON's form; None for anything else."""
    if not digits.isdigit() or len(digits) > MOST_DIGITS or (digits[:1] == b"0" and digits != b"0"):
        return None
    return int(digits)


def _ids(listed: bytes) -> int | None:
    """How many numbers a list has; None if it is no list of numbers."""
    if not listed:
        return 0
    numbers = listed.split(b",")
    return len(numbers) if all(_number(one.strip(b" ")) is not None for one in numbers) else None


def _printable(texts: list[bytes]) -> list[str]:
    """The texts before the first that needs an escape in JSON. Those without cannot contain the end of an event."""
    try:
        whole = b"\0".join(texts).decode()
    except UnicodeDecodeError:
        whole = "\\"
    found = whole.split("\0")
    if len(found) == len(texts) and _is_plain(whole.replace("\0", "")):
        return found
    found = []
    for text in texts:
        try:
            found.append(text.decode())
        except UnicodeDecodeError:
            return found
        if not _is_plain(found[-1]):
            return found[:-1]
    return found


def _is_plain(text: str) -> bool:
    return '"' not in text and "\\" not in text and text.isprintable()


def _only(text: str, reasoning: bool, reply_id: str | None, read: int = 0) -> Delta:
    return Delta(read, "" if reasoning else text, text if reasoning else "", reply_id=reply_id)
