"""Describes a trace in numbers, for `chatload prompts describe`."""

from __future__ import annotations

from chatload.loads.trace import Trace
from chatload.prompts.description import Description, lengths
from chatload.prompts.tokens import estimate_tokens


def of_trace(file: str, trace: Trace) -> Description:
    """The description of a trace."""
    rows = trace.rows
    chains = trace.chains or [(at,) for at in range(len(rows))]
    seconds = rows[-1].due_ns / 1e9 if rows and trace.is_timed else None
    delays = any(row.delay_ns is not None for row in rows)
    known = [row.prompt_tokens for row in rows if row.prompt_tokens is not None]
    texts = [estimate_tokens(row.text) for row in rows if row.text and row.prompt_tokens is None]
    return Description(
        file=file,
        kind="trace of conversations" if trace.chains else "trace",
        conversations=len(chains),
        turns=len(rows),
        turns_each=lengths(len(chain) for chain in chains),
        prompt_tokens=lengths([*known, *texts]),
        answer_tokens=lengths(row.output_tokens for row in rows if row.output_tokens is not None),
        estimated=bool(texts),
        seconds=seconds,
        requests_per_s=(len(rows) - 1) / seconds if seconds and not delays else None,
        think_s=lengths(
            row.delay_ns / 1e9
            for chain in trace.chains
            for row in map(rows.__getitem__, chain[1:])
            if row.delay_ns is not None
        ),
        first=next((row.text for row in rows if row.text), ""),
        notes=trace.notes,
    )
