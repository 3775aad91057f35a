import pytest

from predictor.serving.security import rate
from predictor.serving.security.rate import Rates
from predictor.serving.security.verdict import Refusal


class Clock:
    """The time, which passes only when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def passed(rates: Rates, principal: str, count: int) -> int:
    return sum(rates.judge(principal) == principal for _ in range(count))


def test_a_burst_passes_and_then_as_many_as_the_rate(clock: Clock) -> None:
    rates = Rates(10, 5, clock)
    assert passed(rates, "alice", 20) == 5
    clock.now += 0.1
    assert passed(rates, "alice", 20) == 1
    clock.now += 3600
    assert passed(rates, "alice", 20) == 5


def test_a_steady_client_at_the_rate_is_never_refused(clock: Clock) -> None:
    rates = Rates(3, 1, clock)
    for _ in range(10_000):
        clock.now += 1 / 3
        assert rates.judge("alice") == "alice"


def test_a_refusal_says_in_whole_seconds_when_the_next_may_pass(clock: Clock) -> None:
    rates = Rates(0.4, 1, clock)
    rates.judge("alice")
    refusal = rates.judge("alice")
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.retry_seconds) == (429, 3)
    clock.now += 3
    assert rates.judge("alice") == "alice"


def test_principals_have_buckets_of_their_own_and_not_without_bound(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "REMEMBERED", 100)
    rates = Rates(1, 1, clock)
    assert passed(rates, "alice", 2) == 1
    for number in range(1000):
        assert passed(rates, f"client {number}", 2) == 1
    assert len(rates._full_at) == 100
