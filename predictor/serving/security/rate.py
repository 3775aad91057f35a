"""How often a principal may ask: a token bucket for each."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from predictor.serving.security.verdict import Verdict, too_many

# Of more principals, those that asked least recently are forgotten: their buckets may be full.
REMEMBERED = 10_000


class Rates:
    """The buckets of this process, each as the moment at which it is full again."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take how many requests a second a principal may send, and how many at once."""
        self._interval = 1 / per_second
        self._depth = self._interval * (burst - 1)
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def judge(self, principal: str) -> Verdict:
        """Return the principal, and take from its bucket; or a refusal, which takes nothing."""
        now = self._clock()
        full_at = max(self._full_at.get(principal, now), now)
        wait = full_at - now - self._depth
        if wait > 1e-9:  # what rounding leaves is not waited for
            return too_many(math.ceil(wait))
        self._full_at[principal] = full_at + self._interval
        self._full_at.move_to_end(principal)
        if len(self._full_at) > REMEMBERED:
            self._full_at.popitem(last=False)
        return principal
