"""Our server as it is, but that it measures nothing: what measuring costs is the difference."""

import sys
from typing import Any

from prometheus_client import Counter, Gauge

from predictor.cli import main
from predictor.serving import access, metrics, service, together
from predictor.serving.observability import meter, pulse
from predictor.serving.steps import Steps


def nothing(*_: Any) -> None:
    """Do nothing."""


class UnmeasuredSteps(Steps):
    """Neither counts nor times."""

    def decode(self, decode: Any) -> Any:
        return decode(self._engine)

    def predict(self, batch: Any, requests: int = 1) -> Any:  # noqa: ARG002 - as the measured one
        return self._engine.predict(batch)

    def encode(self, prediction: Any, encode: Any) -> Any:
        return encode(prediction, self._engine.doubts(prediction))


def measure_nothing() -> None:
    """Replace all that measures."""
    access.answered = nothing  # type: ignore[assignment]
    for module in [m for name, m in sys.modules.items() if name.startswith("predictor.serving")]:
        if hasattr(module, "answered") and module is not access:
            module.answered = nothing
    for kind in (Counter, Gauge):
        kind.inc = nothing  # type: ignore[method-assign]
    Gauge.set = Gauge.dec = nothing  # type: ignore[method-assign]
    metrics.Tally.count = nothing  # type: ignore[method-assign]
    meter.Meter.offer = nothing  # type: ignore[method-assign]
    pulse.Pulse.start = nothing  # type: ignore[method-assign]
    service.Steps = together.Steps = UnmeasuredSteps  # type: ignore[misc,attr-defined]


if __name__ == "__main__":
    import predictor.serving.grpc.server
    import predictor.serving.processes.worker
    import predictor.serving.rest.express
    import predictor.serving.rest.routes  # noqa: F401 - so that they can be changed

    measure_nothing()
    sys.exit(main(["serve"]))
