"""How much may wait is known from how long the work before took."""

import pytest

from predictor.serving.backlog import (
    EXPECTED_SHARE,
    REQUEST_BYTES,
    SMALL_BYTES,
    Backlog,
    Buffers,
    Hold,
    Overloaded,
)

ONE_SECOND = 10_000_000 - REQUEST_BYTES


def measured(seconds: float, servers: int = 1) -> Backlog:
    """Return a backlog that has learned how long ten megabytes take."""
    backlog = Backlog(1 / EXPECTED_SHARE, servers)
    for _ in range(500):
        backlog.learn(1, ONE_SECOND, seconds)
    return backlog


def accepted(backlog: Backlog) -> int:
    count = 0
    while not backlog.is_full:
        backlog.add(ONE_SECOND // 10)
        count += 1
    return count


@pytest.mark.parametrize(("seconds", "servers", "about"), [(1, 1, 10), (2, 1, 5), (1, 2, 20)])
def test_as_much_waits_as_is_done_within_the_limit(
    seconds: float, servers: int, about: int
) -> None:
    assert accepted(measured(seconds, servers)) in {about, about + 1}


def test_a_full_backlog_takes_nothing_until_some_is_done() -> None:
    backlog = measured(1)
    backlog.add(2 * ONE_SECOND)
    with pytest.raises(Overloaded):
        backlog.add(1)
    backlog.remove(1, 2 * ONE_SECOND)
    backlog.add(1)


def test_small_requests_and_large_ones_may_be_mixed_and_none_is_forgotten() -> None:
    backlog = measured(1)
    for size in (1, 1000, 5_000_000):
        backlog.add(size)
    backlog.remove(3, 5_001_001)
    assert accepted(backlog) == accepted(measured(1))


def test_no_more_is_held_than_allowed_and_what_is_refused_is_not_held() -> None:
    buffers = Buffers(100)
    one, other = Hold(buffers), Hold(buffers)
    one.take(60)
    with pytest.raises(Overloaded):
        other.take(41)
    other.take(40)
    one.give_back()
    one.give_back()
    assert buffers.held_bytes == other.size_bytes == 40


def test_a_hiccup_of_a_moment_closes_nothing() -> None:
    backlog = Backlog(1)
    for number in range(1000):
        backlog.learn(1, 250, 0.1 if number == 999 else 40e-6)
    for _ in range(1000):
        backlog.add(250)


def test_large_requests_leave_room_for_small_ones() -> None:
    buffers = Buffers(4 * SMALL_BYTES)
    large = Hold(buffers, 2 * SMALL_BYTES)  # from its first byte on, for it is known
    large.take(3 * SMALL_BYTES)
    with pytest.raises(Overloaded):
        large.take(1)
    Hold(buffers).take(SMALL_BYTES)


def test_a_request_of_unknown_size_is_large_when_so_much_has_come() -> None:
    buffers = Buffers(4 * SMALL_BYTES)
    unknown = Hold(buffers)
    unknown.take(SMALL_BYTES)
    unknown.take(2 * SMALL_BYTES)
    with pytest.raises(Overloaded):
        unknown.take(1)
