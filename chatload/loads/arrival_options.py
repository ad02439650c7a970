"""Options of loads with arrivals: their rates, and the distribution of the intervals between them."""

from __future__ import annotations

from chatload.loads.arrival_times import Spacing
from chatload.loads.rate_steps import RateStep, RateSteps
from chatload.options.option import Choice, Number
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import Range

ARRIVALS = Choice(
    name="arrivals",
    default="constant",
    choices=("constant", "poisson", "gamma"),
    help="constant: equal intervals; poisson: random ones with that mean; gamma: in bursts, or more even (burstiness)",
    label="Spacing of arrivals",
)
BURSTINESS = Number(
    name="burstiness",
    default="1",
    range=Range(0.01, 1000),
    help="shape of gamma intervals, as in vLLM's benchmark: below 1 bursts, 1 poisson, above it more even",
    label="Burstiness of gamma arrivals",
)
RATE_STEPS = RateSteps(
    name="rate-steps",
    default="",
    help="rates one after another, each for a time: '1/s 60s, 5/s 2m', a ramp '5..1/s 60s'; also /min and /h",
    label="Rates, one after another",
)


def spacing(reader: OptionReader, arrivals: Choice = ARRIVALS) -> Spacing:
    """The `Spacing` of the option values."""
    law = reader.get(arrivals)
    if law != "gamma":
        reader.refuse_unused(BURSTINESS, "without --arrivals gamma: set it, or leave it out", arrivals)
    return Spacing(law, reader.get(BURSTINESS))


def steps_words(steps: tuple[RateStep, ...]) -> str:
    """The steps in words: "1/s for 60 s, then 5/s for 120 s"."""
    return ", then ".join(f"{step.words} for {step.seconds:g} s" for step in steps)


def spaced_words(law: str, burstiness: float) -> str:
    """In words: "exactly", "on average (Poisson)" or "on average (gamma, burstiness 0.5)"."""
    named = {"poisson": "on average (Poisson)", "gamma": f"on average (gamma, burstiness {burstiness:g})"}
    return named.get(law, "exactly")
