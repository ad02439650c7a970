"""Every option as the user meets it: a Locust flag, a scenario key, an environment variable, a form field."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.options.ranges import DAY_S, LONGEST_RUN_S, Range, seconds, share, whole

ARTICLE_PROMPT = "Once a upon time,"
"""The article's JMeter message, its spelling kept."""

MOST_AT_ONCE = 100_000
"""Requests in flight, or chat users of a level."""
MOST_REQUESTS = 1_000_000
MOST_TOKENS = 1_000_000
"""Longest prompt or answer."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the user meets it; `choices` makes it a select in the web form.

    One of `several` values may be given again, or as a list in a scenario; they are joined with "; ".
    A `private` value is on no page: only command line, scenario and environment give it.
    `range` is that of an option whose value is a number, or of each number where there are several.
    """

    name: str
    default: str
    words: str
    choices: tuple[str, ...] = ()
    several: bool = False
    private: bool = False
    range: Range | None = None

    @property
    def key(self) -> str:
        """The name as Python and Locust spell it."""
        return self.name.replace("-", "_")

    @property
    def help(self) -> str:
        """What it does, and the numbers it takes."""
        return f"{self.words} ({self.range.words})" if self.range else self.words


SERVER_OPTIONS = (
    Option("server", "auto", "what the server speaks; auto asks it"),
    Option("model", "", "model name to send; empty asks the server for its first one"),
    Option(
        "max-tokens", "2000", "longest answer, in tokens; 0 leaves the key out", range=whole(0, MOST_TOKENS)
    ),
    Option("temperature", "0.6", "sampling temperature; empty leaves the key out", range=Range(0, 100)),
    Option("body", "{}", 'more JSON fields of the request, such as {"ignore_eos": true}; they win'),
    Option(
        "headers",
        "{}",
        'more request headers as JSON, such as {"X-Team": "a"}; no secrets here',
        private=True,
    ),
    Option("usage", "on", "ask the server for its own token count (stream_options)", ("on", "off")),
    Option("connect-timeout", "10", "s to get a connection, TLS included", range=seconds(0.001)),
    Option("first-token-timeout", "120", "s from sent to the first token", range=seconds(0.001)),
    Option("gap-timeout", "60", "s without a token in the middle of a reply", range=seconds(0.001)),
    Option("turn-timeout", "600", "s for a whole turn", range=seconds(0.001)),
    Option(
        "on-429", "fail", "fail: a refused turn failed; wait: honour Retry-After, ask again", ("fail", "wait")
    ),
    Option(
        "insecure", "off", "do not verify the server's TLS certificate (said in the report)", ("on", "off")
    ),
    Option("stamps", "kernel", "where arrival times come from", ("kernel", "user")),
)
RUN_OPTIONS = (
    Option("out", "", "run folder to write; empty makes results/<time>-<scenario>-<server>"),
    Option("label", "", "what reports call this run"),
    Option("seed", "1", "seed of everything that is drawn", range=whole(0, 2**63 - 1)),
    Option("keep-text", "sample", "which replies the journal keeps in full", ("none", "sample", "all")),
    Option("certificate", "", "file of python -m chatload certify: how true this client is, for the report"),
    Option("allow-failed", "0%", "share of failed turns that still exits 0", range=share()),
    Option(
        "slo",
        "",
        'what must hold, such as "p95 ttft_ms <= 500; failed_share <= 1%"; a miss exits 3 (docs/ci.md)',
        several=True,
    ),
    Option(
        "locust-rows",
        "off",
        "TTFT and tokens/s as rows of Locust's own table and CSV too; its totals then count them (docs/web-ui.md)",
        ("on", "off"),
    ),
)
CHAT_OPTIONS = (
    Option("turns", "10", "turns each user holds", range=whole(1, MOST_REQUESTS)),
    Option("think-time", "2", "s a user waits after each complete reply", range=seconds()),
    Option("think-first", "off", "wait before the first turn too, as JMeter's timer does", ("on", "off")),
    Option(
        "history", "off", "on: a real conversation, replies fed back; off: one message again", ("on", "off")
    ),
    Option("prompt", ARTICLE_PROMPT, "the message sent again and again with history off"),
    Option("prompts", "", "file of conversations for history on; empty takes ours"),
    Option(
        "abandon",
        "",
        "users who hang up: '10% after 50 tokens'; empty: nobody does",
        range=whole(1, MOST_TOKENS),
    ),
    Option("ramp", "even", "even: one user every 1/rate s; locust: Locust's bursts", ("even", "locust")),
)
ARRIVAL_OPTIONS = (
    Option("requests", "100", "how many requests arrive", range=whole(1, MOST_REQUESTS)),
    Option("interval", "1", "s between arrivals; 0: all at once", range=seconds()),
    Option("arrivals", "constant", "how they are spaced", ("constant", "poisson")),
    Option("trace", "", "file of due times (JSONL or CSV), instead of requests, interval and arrivals"),
    Option("sharegpt", "", "prompts from this ShareGPT JSON file; empty takes our own of the same lengths"),
    Option(
        "lengths",
        "exact",
        "exact: each answer as long as its prompt's own; free: max-tokens",
        ("exact", "free"),
    ),
)
SWEEP_OPTIONS = (
    Option(
        "levels", "1,2,4,8", "numbers of requests in flight, one after another", range=whole(1, MOST_AT_ONCE)
    ),
    Option("rounds", "2", "requests each of them makes, one after another", range=whole(1, MOST_REQUESTS)),
    Option("prompt-tokens", "32", "length of each prompt, about", range=whole(1, MOST_TOKENS)),
    Option(
        "answer-tokens",
        "256",
        "length of each answer (max-tokens with ignore_eos)",
        range=whole(1, MOST_TOKENS),
    ),
)
_TALK = ("turns", "think-time", "history", "prompt", "prompts")
CAPACITY_OPTIONS = (
    Option("first", "8", "users of the first level", range=whole(1, MOST_AT_ONCE)),
    Option("most", "1000", "users never to go beyond", range=whole(1, MOST_AT_ONCE)),
    Option("rate", "10", "users that come in each second, within a level", range=Range(0.0001, 1_000_000)),
    Option("precision", "5%", "how closely the answer is bracketed", range=share(0.001, 0.5)),
    Option(
        "windows",
        "4",
        "how often a level that is undecided near the limit is measured, at most",
        range=whole(1, 1000),
    ),
    Option("settle", "10", "s after the last user is in before measuring begins", range=seconds()),
    Option("measure", "30", "s each level is measured", range=seconds(0.1)),
    *(option for option in CHAT_OPTIONS if option.name in _TALK),
)

LOCUST_RANGES = {
    "users": whole(1, 1_000_000),
    "spawn-rate": Range(0.0001, 1_000_000),
    "run-time": Range(0, LONGEST_RUN_S, unit="time"),
    "stop-timeout": Range(0, DAY_S, unit="time"),
}
"""The numbers that Locust's own options may have here."""
