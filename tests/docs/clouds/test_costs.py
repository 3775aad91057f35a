"""The estimate of costs, computed here once more by hand."""

import pytest

from benchmarks import costs
from tests.docs.clouds.files import CLOUDS, predictor, read
from tests.paths import ROOT

MONTH_SECONDS = 365 * 24 * 3600 / 12


@pytest.fixture(scope="module")
def dollars() -> dict[tuple[str, int], tuple[float, float]]:
    """Return what a month costs, and what it costs with nothing free, by way and requests."""
    found = costs.bills(costs.read())
    return {(it.way, it.requests): (it.dollars, it.whole_dollars) for it in found}


def test_the_page_has_the_table_as_it_is_computed() -> None:
    assert costs.table(costs.read()) in (CLOUDS / "README.md").read_text()


def test_every_price_says_where_it_is_from_and_of_when() -> None:
    prices = costs.read()
    for cloud in (prices.cloud_run, prices.container_apps, prices.fargate):
        assert "https://" in cloud.source
        assert cloud.as_of


def test_cloud_run_costs_what_its_tenths_of_seconds_do(
    dollars: dict[tuple[str, int], tuple[float, float]],
) -> None:
    assert dollars["Cloud Run, from zero", 10_000][0] == 0
    due, whole = dollars["Cloud Run, from zero", 1_000_000]
    assert due == 0
    assert whole == pytest.approx(100_000 * 0.000024 + 100_000 * 0.5 * 0.0000025 + 0.40)


def test_a_container_app_that_never_rests_is_billed_for_every_second(
    dollars: dict[tuple[str, int], tuple[float, float]],
) -> None:
    cpu = (MONTH_SECONDS / 4 - 180_000) * 0.000024
    memory = (MONTH_SECONDS / 2 - 360_000) * 0.000003
    for way in ("from zero, asked at even distances", "one replica kept"):
        assert dollars[f"Container Apps, {way}", 1_000_000][0] == pytest.approx(cpu + memory)
    idle = (MONTH_SECONDS - 10_000 * 60) / 4 * 0.000003
    due = dollars["Container Apps, one replica kept", 10_000][0]
    assert due == pytest.approx(idle + memory)
    assert due < 10 < cpu + memory


def test_fargate_costs_the_same_whatever_is_asked(
    dollars: dict[tuple[str, int], tuple[float, float]],
) -> None:
    task = MONTH_SECONDS / 3600 * (0.25 * 0.04048 + 0.5 * 0.004445)
    outside = MONTH_SECONDS / 3600 * (0.0225 + 2 * 0.005)
    for requests in (10_000, 1_000_000):
        assert dollars["Fargate, one task", requests][0] == pytest.approx(task)
        whole = dollars["Fargate, one task and a load balancer", requests][0]
        assert whole == pytest.approx(task + outside)


def test_the_sizes_are_those_of_the_files() -> None:
    limits = predictor("cloud-run.yaml")["resources"]["limits"]
    assert limits == {"cpu": "1", "memory": "512Mi"}
    assert costs.CLOUD_RUN == (1.0, 0.5)
    resources = predictor("container-app.yaml")["resources"]
    assert (resources["cpu"], resources["memory"]) == (costs.SMALL[0], f"{costs.SMALL[1]}Gi")
    task = read("ecs-task-definition.json")
    assert (int(task["cpu"]) / 1024, int(task["memory"]) / 1024) == costs.SMALL


def test_a_request_takes_less_than_what_is_billed_for_one() -> None:
    """The slowest of a hundred one-row requests, with eight at once, takes a millisecond."""
    line = next(
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("| one-row predictions over HTTP")
    )
    assert "p99 1.0 ms" in line
    assert costs.BILLED_SECONDS > 10 * 0.001
