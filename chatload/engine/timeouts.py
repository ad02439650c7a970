"""Time limits of one turn: until the first token, for each gap, and for the whole turn."""

from __future__ import annotations

from chatload.engine.clock import Clock
from chatload.engine.reply_timing import ReplyMeter
from chatload.engine.stream import ReplyStream
from chatload.model.errors import TurnError
from chatload.options.run_options import Timeouts


class TurnTimeouts:
    """Checks the limits of a turn whenever its greenlet has decoded all available data."""

    def __init__(
        self, stream: ReplyStream, meter: ReplyMeter, timeouts: Timeouts, sent_ns: int, clock: Clock
    ) -> None:
        self._stream, self._meter, self._timeouts = stream, meter, timeouts
        self._sent_ns, self._clock = sent_ns, clock

    def check(self) -> None:
        """Raise TurnError if a limit is exceeded, else set when the reader wakes the greenlet for the next check."""
        limits, meter, now = self._timeouts, self._meter, self._clock.now_ns()
        turn_ends_ns = self._sent_ns + round(limits.turn_s * 1e9)
        if meter.last_token_ns is None:
            next_ns = self._sent_ns + round(limits.first_token_s * 1e9)
        else:
            next_ns = meter.last_token_ns + round(limits.gap_s * 1e9)
        if meter.finish is not None and now >= min(turn_ends_ns, next_ns):
            raise TurnError("not_closed", self._never_ended())
        if now >= turn_ends_ns:
            raise TurnError("deadline", f"the turn took longer than {limits.turn_s:g} s")
        if now >= next_ns:
            if meter.last_token_ns is None:
                raise TurnError("timeout_first", f"no token within {limits.first_token_s:g} s")
            raise TurnError("timeout_gap", f"no token for {limits.gap_s:g} s after {meter.events} events")
        # New tokens alone do not wake the greenlet, so check once per gap limit whether any were buffered.
        self._stream.check_ns = min(turn_ends_ns, next_ns, now + round(limits.gap_s * 1e9))

    def _never_ended(self) -> str:
        """The failure's text for a reply that was finished, though its HTTP message went on."""
        usage = self._meter.usage.completion_tokens
        told = str(self._meter.finish) if usage is None else f"{self._meter.finish}, usage {usage}"
        return f"the reply was finished ({told}) but the server never ended the message"
