"""junit.xml: each SLO a test case, as every CI system shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from chatload.record.journal import Run
from chatload.report.judge import MISSED, UNDECIDED
from chatload.report.untrusted import one_line, shown
from chatload.report.verdict_words import sentence

Summary = Mapping[str, Any]


Check = tuple[str, str, str]
"""A further test case: its name, "failure", "skipped" or "system-out", and the words."""


def junit_xml(run: Run, summary: Summary, checks: Sequence[Check] = ()) -> str:
    """A missed SLO is a failure, an undecided one is skipped; more failed turns than allowed are a failure, and so is
    a run that is not whole. `checks` are what `check` found besides; they stand first."""
    suite = ElementTree.Element(
        "testsuite", name=f"chatload {one_line(run.manifest.get('scenario') or '', 80)}"
    )
    suite.set("timestamp", one_line(run.manifest.get("started_utc") or "", 30))
    suite.set("time", f"{summary['seconds']:.3f}")
    for name, tag, words in checks:
        _note(_case(suite, "chatload.check", name), tag, words)
    _whole(suite, summary)
    _turns(suite, run, summary)
    for one in summary["slo"]:
        case = _case(suite, "chatload.slo", one["slo"])
        if one["verdict"] == MISSED:
            _note(case, "failure", sentence(one))
        elif one["verdict"] == UNDECIDED:
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


def too_many_failed(run: Run, summary: Summary, allowed: float | None = None) -> bool:
    """True when a greater share of turns failed than `allowed`; None: than the run's own --allow-failed."""
    if allowed is None:
        told = (run.manifest.get("plan") or {}).get("allow_failed")
        allowed = told if isinstance(told, int | float) else 0.0
    failed = sum(summary["failed"].values())
    return bool(failed > allowed * summary["turns"])


def failed_words(summary: Summary) -> str:
    """How many turns failed, by code."""
    codes = ", ".join(f"{n:,} {one_line(code, 30)}" for code, n in summary["failed"].items())
    if not summary["turns"]:
        return "no turn was held"
    return f"{sum(summary['failed'].values()):,} of {summary['turns']:,} turns failed" + (
        f" ({codes})" if codes else ""
    )


def _whole(suite: ElementTree.Element, summary: Summary) -> None:
    case = _case(suite, "chatload.run", "the whole plan was held and recorded")
    if summary["incomplete"]:
        _note(case, "failure", " ".join(summary["incomplete"]))


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
