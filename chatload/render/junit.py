"""junit.xml: each SLO a test case, as every CI system shows them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from chatload.analysis.exit_code import failed_words, too_many_failed
from chatload.model.sanitize import one_line, shown
from chatload.model.summary import Summary
from chatload.model.verdict import MISSED, UNDECIDED
from chatload.render.slo_words import sentence
from chatload.store.journal import Run

Check = tuple[str, str, str]
"""A further test case: its name, "failure", "skipped" or "system-out", and the words."""


def junit_xml(run: Run, summary: Summary, checks: Sequence[Check] = ()) -> str:
    """A missed SLO is a failure, an undecided one is skipped; more failed turns than allowed are a failure, and so is
    a run that is not whole. `checks` are what `check` found besides; they stand first."""
    suite = ElementTree.Element("testsuite", name=f"chatload {one_line(run.manifest.scenario, 80)}")
    suite.set("timestamp", one_line(run.manifest.started_utc, 30))
    suite.set("time", f"{summary.throughput.seconds:.3f}")
    for name, tag, words in checks:
        _note(_case(suite, "chatload.check", name), tag, words)
    _whole(suite, summary)
    _turns(suite, run, summary)
    for one in summary.slo:
        case = _case(suite, "chatload.slo", one.slo)
        if one.verdict == MISSED:
            _note(case, "failure", sentence(one))
        elif one.verdict == UNDECIDED:
            _note(case, "skipped", sentence(one))
        else:
            ElementTree.SubElement(case, "system-out").text = sentence(one)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("errors", "0")
    ElementTree.indent(suite)
    xml = ElementTree.tostring(suite, encoding="unicode")
    return shown(f'<?xml version="1.0" encoding="utf-8"?>\n{xml}\n')


def _whole(suite: ElementTree.Element, summary: Summary) -> None:
    case = _case(suite, "chatload.run", "the whole plan was held and recorded")
    if summary.incomplete:
        _note(case, "failure", " ".join(summary.incomplete))


def _turns(suite: ElementTree.Element, run: Run, summary: Summary) -> None:
    case = _case(suite, "chatload.run", "failed turns within --allow-failed")
    if too_many_failed(run, summary):
        _note(case, "failure", failed_words(summary))
    else:
        ElementTree.SubElement(case, "system-out").text = failed_words(summary)


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=one_line(name, 200), time="0")


def _note(case: ElementTree.Element, tag: str, words: str) -> None:
    if tag == "system-out":
        ElementTree.SubElement(case, tag).text = one_line(words, 400)
    else:
        ElementTree.SubElement(case, tag, message=one_line(words, 400))
