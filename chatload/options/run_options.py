"""The options of the run itself: where it is kept, what it must hold, what is drawn by chance."""

from __future__ import annotations

from chatload.options.option import Choice, Group, Number, Option, Slos, Switch, Text, Whole
from chatload.options.ranges import share, whole

OUT = Text(
    name="out",
    default="",
    group=Group.REPORT,
    label="Run folder",
    help="run folder to write; empty makes results/<time>-<scenario>-<server>",
)
LABEL = Text(
    name="label",
    default="",
    group=Group.REPORT,
    help="what reports call this run",
    label="Name of the run in reports",
)
SEED = Whole(
    name="seed",
    default="1",
    range=whole(0, 2**63 - 1),
    group=Group.REPORT,
    label="Seed",
    help="seed of everything that is drawn",
)
KEEP_TEXT = Choice(
    name="keep-text",
    default="sample",
    choices=("none", "sample", "all"),
    group=Group.REPORT,
    help="which replies the journal keeps in full",
    label="Replies kept in full",
)
CERTIFICATE = Text(
    name="certificate",
    default="",
    group=Group.REPORT,
    label="Certificate of accuracy",
    help="file of python -m chatload certify: how true this client is, for the report",
)
ALLOW_FAILED = Number(
    name="allow-failed",
    default="0%",
    range=share(),
    group=Group.SLO,
    help="share of failed turns that still exits 0",
    label="Failed turns allowed",
)
SLO = Slos(
    name="slo",
    default="",
    group=Group.SLO,
    label="SLOs",
    help='what must hold, such as "p95 ttft_ms <= 500; failed_share <= 1%"; a miss exits 3 (docs/ci.md)',
)
LOCUST_ROWS = Switch(
    name="locust-rows",
    default="off",
    group=Group.REPORT,
    label="TTFT and tokens/s in Locust's table too",
    help="TTFT and tokens/s as rows of Locust's own table and CSV too; its totals then count them (docs/web-ui.md)",
)

OPTIONS: tuple[Option[object], ...] = (
    SLO, ALLOW_FAILED, OUT, LABEL, SEED, KEEP_TEXT, CERTIFICATE, LOCUST_ROWS,
)  # fmt: skip
