"""An alert fires in a real Prometheus while the service fails, and ends when it is mended."""

import msgspec
import pytest

from predictor.bundle import Manifest
from tests.e2e.cluster import RELEASE, Namespace, options, wait_for
from tests.e2e.prometheus import prometheus, query
from tests.e2e.under_load import load
from tests.paths import CHART

# As few as show it: a total outage is a total outage, and the alert wants ten failures.
RATE = 5
VALUES = {
    "workers": "1",
    "podMonitor.enabled": "true",
    "podMonitor.interval": "5s",
    "alerts.enabled": "true",
}
# With room for a single byte no request can be held: each is refused with 503, and pods are ready.
NO_ROOM = ("--set-string", "env[0].name=MAX_BUFFERED_BYTES,env[0].value=1")


def firing(proxy: str, namespace: Namespace) -> set[str]:
    """Return the windows in which failures burn the budget too fast."""
    labels = f'namespace="{namespace.name}",alertname="PredictorAvailabilityBurn"'
    return set(query(proxy, f'ALERTS{{{labels},alertstate="firing"}}', "window"))


def recorded(proxy: str, namespace: Namespace, name: str) -> float | None:
    """Return what was recorded of the release, or None if nothing was yet."""
    return query(proxy, f'{name}{{namespace="{namespace.name}"}}', "job").get(RELEASE)


@pytest.mark.usefixtures("thorough")
def test_failures_fire_the_alert_and_it_ends_when_they_do(
    empty_namespace: Namespace, image: str, rendering: dict[str, str]
) -> None:
    """Those of the longer windows go on for half an hour and more, as they should."""
    proxy, namespace, values = prometheus(), empty_namespace, {**VALUES, **rendering}
    namespace.install(image, values)
    content = namespace.execute("cat", "/bundle/bundle.json")
    manifest = msgspec.json.decode(content, type=Manifest)

    with load(namespace, image, manifest, 1, rate=RATE) as outcome:
        wait_for(
            lambda: bool(recorded(proxy, namespace, "predictor:requests:rate5m")),
            "Prometheus to read the pods and the rules",
        )
        ratio = "predictor:availability:error_ratio_rate5m"
        wait_for(lambda: recorded(proxy, namespace, ratio) is not None, "its share of failures")
        assert recorded(proxy, namespace, ratio) == 0
        assert firing(proxy, namespace) == set()

        namespace.helm("upgrade", RELEASE, str(CHART), *options(image, values), *NO_ROOM)
        namespace.rolled_out()
        wait_for(lambda: "1h" in firing(proxy, namespace), "the alert to fire")
        broken = recorded(proxy, namespace, ratio)

        namespace.upgrade(image, values)
        wait_for(lambda: "1h" not in firing(proxy, namespace), "the alert to end")
        mended = recorded(proxy, namespace, ratio)

    assert {how for _, how, _ in outcome.failed} == {"status 503"}
    assert broken is not None
    assert mended is not None
    assert mended <= 14.4 * 0.001 < broken
