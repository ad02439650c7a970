"""`make fit-table`: how well each profile of the simulator fits the requests that were recorded, medians and tails.

python -m lab.calibration.fit_table [--machine h100] [--write | --check]: print it, or put it into docs/simulator.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from textwrap import wrap

from lab.calibration import article
from lab.calibration.distributions import SHARES, Distribution, LoadFit, fit_of
from lab.calibration.recorded_loads import MACHINES, Machine, RecordedLoad
from lab.calibration.replay import Target
from lab.generate_docs import DOCS, with_part

PAGE, PART = DOCS / "simulator.md", "fit of profiles"
AIMS = (("TTFT", 0.95, 0.15), ("longest gap", 0.5, 0.25), ("longest gap", 0.95, 0.25))
"""What should hold, of fitted and of unseen loads: figure, quantile, relative error."""
MERGED = 1.01
"""Tokens in an event: beyond this some shared one; fewer have no event as they show no text."""
HEAD = (
    "| load | n | figure, ms | p50 | p95 | p99 | the fit has |",
    "|---|---|---|---|---|---|---|",
)
ARTICLE_HEAD = (
    "| load | figure | article | median draw | least … most | the fit has |",
    "|---|---|---|---|---|---|",
)


def main(arguments: Sequence[str]) -> int:
    """Prints the tables; with --check exit 1 where the page has others."""
    parser = argparse.ArgumentParser(prog="python -m lab.calibration.fit_table", description=__doc__)
    parser.add_argument("--machine", choices=("article", *MACHINES), help="only this one")
    parser.add_argument("--write", action="store_true", help="into docs/simulator.md")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 where docs/simulator.md has other tables"
    )
    chosen = parser.parse_args(arguments)
    if chosen.machine and (chosen.write or chosen.check):
        parser.error("--machine prints one table; --write and --check are of all")
    parts = []
    for name in [chosen.machine] if chosen.machine else (*MACHINES, "article"):
        parts.append("\n".join(article_lines() if name == "article" else machine_lines(MACHINES[name])))
        print(parts[-1], end="\n\n", flush=True)
    text = with_part(PAGE, PART, "\n\n".join(parts))
    if chosen.write:
        PAGE.write_text(text, encoding="utf-8")
    return int(chosen.check and PAGE.read_text(encoding="utf-8") != text)


def machine_lines(machine: Machine) -> list[str]:
    """The table of a machine, and how many of its loads reach each aim."""
    fits = [fit_of(machine, load, Target(machine.profile, {})) for load in machine.loads]
    return [
        f"**{machine.server}**, profile `{machine.profile.split('@')[1]}`:",
        "",
        *HEAD,
        *(line for fit in fits for line in load_lines(fit)),
        "",
        *summary_lines(fits),
        "",
        "Events of the recordings:",
        "",
        *event_lines(machine.loads),
    ]


def load_lines(fit: LoadFit) -> Iterable[str]:
    """A line for each figure of a load."""
    seen = _seen(fit.load)
    for place, one in enumerate(fit.distributions):
        first = place == 0
        cells = (fit.load.name, f"{one.n:,}") if first else ("", "")
        yield _line(*cells, one.name, *(_cell(one, share) for share in SHARES), seen if first else "")


def _seen(load: RecordedLoad) -> str:
    word = "fitted" if load.fitted else "unseen"
    return f"{word}, event" if load.event else word


def _cell(one: Distribution, share: float) -> str:
    place = SHARES.index(share)
    if not one.supports(share):
        return "-"
    return f"{_number(one.recorded[place])} → {_number(one.ours[place])} ({_percent(one.error(share))})"


def summary_lines(fits: Sequence[LoadFit]) -> list[str]:
    """How many loads reach each of AIMS, and the largest error of the others."""
    lines = []
    for name, share, allowed in AIMS:
        parts = []
        for word in ("fitted", "unseen", "with an event that decides it"):
            errors = [
                (one.error(share), fit.load.name)
                for fit in fits
                if word == _group(fit.load, name, share)
                for one in fit.distributions
                if one.name == name and one.supports(share)
            ]
            if errors:
                worst, load = max(errors, key=lambda each: abs(each[0]))
                held = sum(abs(error) <= allowed for error, _ in errors)
                parts.append(f"{held} of {len(errors)} {word} (furthest: {load}, {_percent(worst)})")
        line = f"* {name} p{share * 100:.0f} within {allowed:.0%}: loads {'; '.join(parts)}."
        lines += wrap(line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    merged = [
        f"{fit.load.name} {there:.4g} → {here:.4g}"
        for fit in fits
        for there, here in (fit.tokens_per_event,)
        if max(there, here) > MERGED
    ]
    if merged:
        line = f"* tokens in an event, where more than {MERGED}: {'; '.join(merged)}."
        lines += wrap(line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return lines


def _group(load: RecordedLoad, figure: str, share: float) -> str:
    if load.is_event(figure, share):
        return "with an event that decides it"
    return "fitted" if load.fitted else "unseen"


def event_lines(loads: Iterable[RecordedLoad]) -> list[str]:
    """What happened in the recordings, and which figures the fit leaves out for it."""
    lines = []
    texts: dict[tuple[str, tuple[str | float, ...]], list[str]] = {}
    for load in loads:
        if load.event:
            texts.setdefault((load.event, load.not_fitted), []).append(f"*{load.name}*")
    for (event, left_out), names in texts.items():
        figures = ", ".join(one if isinstance(one, str) else f"p{one * 100:.0f}" for one in left_out)
        line = f"* {'; '.join(names)}: {event}. Left out: {figures}."
        lines += wrap(line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return lines


def article_lines() -> list[str]:
    """The article's figures beside the median of draws of its prompts, which are not known."""
    rows = [one for server in article.SERVERS for one in article.figures(server, article.CHECKED_DRAWS)]
    return [
        f"**The article's vLLM 0.1.2 and TGI 0.9.3**, profile `{article.HARDWARE}`, {len(article.CHECKED_DRAWS)} draws"
        " of the prompts:",
        "",
        *ARTICLE_HEAD,
        *(
            _line(
                one.load,
                one.name,
                _number(one.measured),
                f"{_number(one.ours)} ({_percent(one.error)})",
                f"{_number(one.spread[0])} … {_number(one.spread[1])}" if one.spread else "",
                "fitted" if one.fitted else "unseen",
            )
            for one in rows
        ),
    ]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _percent(error: float) -> str:
    return f"{error:+.0%}".replace("-", "−")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
