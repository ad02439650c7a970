"""junit.xml: each SLO a test case, as every CI system shows them."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from chatload.analysis.exit_code import failed_words
from chatload.analysis.gate import Gate
from chatload.model.sanitize import one_line, shown
from chatload.model.verdict import CANNOT_TELL, MISSED, UNDECIDED, WORSE, Effect, SloVerdict
from chatload.render.comparison_words import effect_words, forced, unusable_words
from chatload.render.slo_words import sentence

Case = tuple[str, str, str, str]
"""Class, name, "failure", "error", "skipped" or "system-out", and the words."""


def junit_xml(found: Gate) -> str:
    """A missed SLO is a failure, an undecided one is skipped, one that is not sure an error with --sure.

    So are metrics against a baseline. A run that is not whole, or cannot be trusted, is a failure, and so are more
    failed turns than allowed.
    """
    suite = ElementTree.Element("testsuite", name=f"chatload {one_line(found.run.manifest.scenario, 80)}")
    suite.set("timestamp", one_line(found.run.manifest.started_utc, 30))
    suite.set("time", f"{found.summary.throughput.seconds:.3f}")
    cases = list(_cases(found))
    for of, name, tag, words in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=of, name=one_line(name, 200), time="0")
        told = one_line(words, 1000)
        if tag == "system-out":
            ElementTree.SubElement(case, tag).text = told
        else:
            ElementTree.SubElement(case, tag, message=told)
    suite.set("tests", str(len(cases)))
    for attribute, counted in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(tag == counted for _, _, tag, _ in cases)))
    ElementTree.indent(suite)
    return shown(
        f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(suite, encoding="unicode")}\n'
    )


def _cases(found: Gate) -> Iterator[Case]:
    for words in forced(found.comparison) if found.comparison else ():
        yield "chatload.check", "compared by --force", "system-out", words
    for run, why in found.unusable:
        if run is not found.run or not why:  # why the run itself is not whole follows
            yield "chatload.check", "the measurement can be trusted", "failure", unusable_words(run, why)
    for effect in found.effects:
        name = f"against the baseline: {effect.words}"
        yield "chatload.check", name, _tag(found, effect), effect_words(effect)
    whole = " ".join(found.summary.incomplete)
    yield (
        "chatload.run",
        "the whole plan was held and recorded",
        "failure" if whole else "system-out",
        whole or "yes",
    )
    tag = "failure" if found.too_many_failed else "system-out"
    yield "chatload.run", "failed turns within --allow-failed", tag, failed_words(found.summary)
    for one in found.summary.slo:
        yield "chatload.slo", one.slo, _tag(found, one), sentence(one)


def _tag(found: Gate, one: SloVerdict | Effect) -> str:
    if not found.passes(one):
        return "failure" if one.verdict in (MISSED, WORSE) else "error"
    return "skipped" if one.verdict in (UNDECIDED, CANNOT_TELL) else "system-out"
