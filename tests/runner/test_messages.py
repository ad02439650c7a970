"""The line between worker and master: each batch once, and nothing of an earlier run."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from chatload.runner import messages as link


@pytest.fixture
def sent() -> list[tuple[str, Any]]:
    return []


def outbox(sent: list[tuple[str, Any]], run_id: str) -> link.Outbox:
    box = link.Outbox(lambda kind, data: sent.append((kind, data)), run_id)
    box.close()  # no greenlet: the test flushes
    return box


def test_a_batch_is_taken_once_and_kept_until_acknowledged(sent: list[tuple[str, Any]]) -> None:
    box, inbox = outbox(sent, "one"), link.Inbox("one")
    box.add(b"a")
    box.add(b"b")
    box.flush()
    ((kind, batch),) = sent
    assert kind == link.LINES
    assert inbox.take("worker", batch) == [b"a", b"b"]
    assert inbox.take("worker", batch) == []
    assert inbox.take("other", batch) == [b"a", b"b"]
    assert not box.drain(0.01)
    box.acknowledged({"run_id": "one", "number": batch["number"]})
    assert box.drain(0.01)


def test_late_words_of_an_earlier_run_are_not_taken_for_this_one(sent: list[tuple[str, Any]]) -> None:
    """Both runs number their batches from 1: neither a line nor an acknowledgement may cross over."""
    late, now = outbox(sent, "one"), outbox(sent, "two")
    for box in (late, now):
        box.add(b"line")
        box.flush()
    inbox = link.Inbox("two")
    assert inbox.take("worker", sent[0][1]) == []
    assert inbox.take("worker", sent[1][1]) == [b"line"]
    now.acknowledged({"run_id": "one", "number": 1})
    assert not now.drain(0.01)
    now.acknowledged({"run_id": "two", "number": 1})
    assert now.drain(0.01)


def test_what_is_not_acknowledged_is_sent_again(
    sent: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "FLUSH_S", 0.005)
    monkeypatch.setattr(link, "RESEND_S", 0.02)
    box = link.Outbox(lambda kind, data: sent.append((kind, data)), "one")
    box.add(b"lost on the way")
    box.flush()
    box.add(b"arrived")
    box.flush()
    box.acknowledged({"run_id": "one", "number": 2})
    with gevent.Timeout(5):
        while len(sent) < 4:
            gevent.sleep(0.005)
    assert [data["number"] for _, data in sent[2:4]] == [1, 1]
    assert sent[2] == sent[0]
    box.acknowledged({"run_id": "one", "number": 1})
    so_far = len(sent)
    gevent.sleep(0.05)
    box.close()
    assert len(sent) == so_far, "sent again although the master has it"
