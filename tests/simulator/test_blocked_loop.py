"""The event loop of vLLM 0.1.2: which pass does what, with steps of one second."""

from __future__ import annotations

from simulator.engine.blocked_loop import BlockedLoop


class Served:
    """Requests with a number of tokens to make; each step takes 1 s and gives every one that was submitted a token."""

    def __init__(self, **tokens: int) -> None:
        self.tokens, self.made = tokens, dict.fromkeys(tokens, 0)
        self.log: list[str] = []
        self.open: list[str] = []
        self.loop: BlockedLoop[str] = BlockedLoop(self._submit, self._write)
        self.now_s = 0.0

    def _submit(self, key: str) -> None:
        self.log.append(f"{self.now_s:g} enters {key}")
        self.open.append(key)

    def _write(self, key: str) -> None:
        self.log.append(f"{self.now_s:g} writes {key} {self.made[key]}")

    def run(self, **arrivals: tuple[float, bool]) -> list[str]:
        waiting = sorted(arrivals.items(), key=lambda one: one[1])
        while True:
            while waiting and waiting[0][1][0] <= self.now_s:
                key, (_, new) = waiting.pop(0)
                self.loop.arrive(key, new_connection=new)
            if self.loop.advance(self.now_s):
                outputs = []
                for key in list(self.open):
                    self.made[key] += 1
                    outputs.append((key, self.made[key] == self.tokens[key]))
                    if outputs[-1][1]:
                        self.open.remove(key)
                self.now_s += 1 if outputs else 0
                self.loop.stepped(outputs, self.now_s)
            elif waiting:
                self.now_s = waiting[0][1][0]
            else:
                return self.log


def test_alone_every_token_is_written_when_its_step_ends() -> None:
    assert Served(a=3).run(a=(0.0, True)) == ["0 enters a", "1 writes a 1", "2 writes a 2", "3 writes a 3"]


def entered_s(*, new: bool, others: int) -> float:
    """When a request enters that arrives at 10.5 s while `others` are read."""
    tokens = {f"o{number}": 60 for number in range(others)}
    log = Served(**tokens, late=2).run(**dict.fromkeys(tokens, (0.0, False)), late=(10.5, new))
    return float(next(line for line in log if line.endswith("enters late")).split()[0])


def test_beside_others_a_new_connection_costs_more_steps_than_an_open_one() -> None:
    assert entered_s(new=False, others=0) == entered_s(new=True, others=0) == 10.5
    for others in (1, 4, 24):
        assert 11 <= entered_s(new=False, others=others) < entered_s(new=True, others=others) <= 16


def test_many_streams_see_several_tokens_at_once_and_none_is_lost() -> None:
    tokens = {f"o{number}": 40 for number in range(24)}
    log = Served(**tokens).run(**{key: (number / 3, True) for number, key in enumerate(tokens)})
    writes = [line.split()[2:] for line in log if " writes " in line]
    per_stream = [[int(made) for key, made in writes if key == each] for each in tokens]
    assert all(made[-1] == 40 and made == sorted(made) for made in per_stream)
    assert 1.5 < 40 * 24 / len(writes) < 3


def test_who_has_gone_is_written_nothing() -> None:
    served = Served(a=3, b=3)
    served.loop.arrive("a", new_connection=False)
    served.loop.arrive("b", new_connection=False)
    assert served.loop.advance(0.0)
    served.loop.forget("a")
    served.open.remove("a")
    assert not any("writes a" in line for line in served.run())
    assert served.log[-1].endswith("writes b 3")
    assert served.loop.idle
