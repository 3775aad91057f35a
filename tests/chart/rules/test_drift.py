"""What PromQL makes of counted rows is what NumPy makes of them."""

import json
import re
from pathlib import Path

import pytest

from charts.dashboards.query import queries, read, replaced
from tests.chart.rules.drifting import (
    ALIKE,
    COLUMN,
    DRIFTED,
    FEW,
    SETS,
    STEP_MINUTES,
    Counted,
    given,
    new_bins,
    psi,
)
from tests.chart.rules.promtool import PLANT, Rule, alerts, groups, series, unexpected

OF_COLUMN = series("", **COLUMN)
UNEVEN = tuple(Counted(f"v{i}", 50 * i**2, 7.0 * ((5 * i) % 11)) for i in range(11))


def drift(*sets: str) -> list[Rule]:
    return [group for group in groups(*SETS, *sets) if group["name"] == "predictor-drift"]


def steps(at: str) -> int:
    hours, minutes = re.fullmatch(r"(\d+)h(\d+)m", at).groups()  # type: ignore[union-attr]
    return (60 * int(hours) + int(minutes)) // STEP_MINUTES


@pytest.mark.parametrize("bins", [ALIKE, DRIFTED, UNEVEN], ids=["alike", "drifted", "uneven"])
@pytest.mark.parametrize("at", ["0h10m", "3h0m", "7h55m"])
def test_the_index_is_that_of_the_definition(
    bins: tuple[Counted, ...], at: str, tmp_path: Path
) -> None:
    counts = [one.each * steps(at) for one in bins]
    value = psi([one.reference for one in bins], counts)
    expected = {
        f"abs(predictor:drift_psi - {value!r}) < bool 1e-9": {OF_COLUMN: 1.0},
        "sum without (bin) (predictor:drift_window_rows)": {OF_COLUMN: sum(counts)},
        "sum without (bin) (predictor:drift_rows:increase)": {
            OF_COLUMN: sum(one.each for one in bins)
        },
    }
    assert unexpected(tmp_path, drift(), given(bins), expected, at=at, every="5m") == ""


def test_the_same_distribution_is_near_0_and_another_is_not() -> None:
    """The figures by which the test above judges are right by themselves."""
    assert psi([1000, 1000], [100, 100]) == pytest.approx(-(1 / 200 + 1 / 2000), abs=1e-12)
    assert psi([5000, 5000], [9000, 1000]) == pytest.approx(0.8 / 2 * 2.1972, abs=1e-3)


@pytest.mark.parametrize("is_shown", [False, True])
def test_rows_of_bins_that_have_no_reference_drop_out(*, is_shown: bool, tmp_path: Path) -> None:
    """They are of a bundle that was served before, by this pod, which shows 0, or by another."""
    old = series("predictor_drift_rows_total", pod="a", **COLUMN, bin="(0, 7]")
    reference = series("predictor_drift_reference_ratio", pod="a", **COLUMN, bin="(0, 7]")
    shown = {**given(DRIFTED), old: "0+50x30"} | ({reference: "0x60"} if is_shown else {})
    counts = [one.each * steps("5h0m") for one in DRIFTED]
    value = psi([one.reference for one in DRIFTED], counts)
    expected = {f"abs(predictor:drift_psi - {value!r}) < bool 1e-9": {OF_COLUMN: 1.0}}
    assert unexpected(tmp_path, drift(), shown, expected, at="5h", every="5m") == ""


def test_without_rows_there_is_no_index(tmp_path: Path) -> None:
    idle = tuple(Counted(one.name, one.reference, 0) for one in ALIKE)
    expected: dict[str, dict[str, float]] = {"predictor:drift_psi": {}}
    assert unexpected(tmp_path, drift(), given(idle), expected, at="2h", every="5m") == ""


def test_a_window_of_bins_of_unlike_age_is_over_before_it_is_judged(tmp_path: Path) -> None:
    """The new bins came six hours after the other one: they are whole after eight hours more."""
    for at, rows in (("13h", {}), ("14h30m", {OF_COLUMN: 1.0})):
        expected: dict[str, dict[str, float]] = {"predictor:drift_whole_window_rows > bool 0": rows}
        shown = given(new_bins(72), steps=240)
        assert unexpected(tmp_path, drift(), shown, expected, at=at, every="5m") == ""


def test_the_dashboard_counts_a_column_where_the_alert_may_fire(tmp_path: Path) -> None:
    """Of too few rows neither says that they have drifted, however far off they are."""
    [counted] = [
        query.expression
        for query in queries(read("drift"))
        if query.name == "Columns that have drifted A"
    ]
    asked = replaced(counted, PLANT)
    for bins, columns in ((DRIFTED, 1.0), (FEW, 0.0)):
        expected = {asked: {"{}": columns}}
        assert unexpected(tmp_path, drift(), given(bins), expected, at="9h", every="5m") == ""


@pytest.mark.parametrize(("sets", "threshold"), [((), 0.2), (("drift.threshold=0.35",), 0.35)])
def test_the_threshold_is_the_bundles_unless_a_value_says_another(
    sets: tuple[str, ...], threshold: float, tmp_path: Path
) -> None:
    name = series("predictor:drift_threshold", **COLUMN)
    expected = {"predictor:drift_threshold": {name: threshold}}
    assert unexpected(tmp_path, drift(*sets), given(ALIKE), expected, at="1h", every="5m") == ""


@pytest.mark.parametrize(
    ("window", "quarters"), [("28d", "504h"), ("6h", "270m"), ("90m", "4050s"), ("1d", "18h")]
)
def test_three_quarters_of_any_window_must_be_over(window: str, quarters: str) -> None:
    text = json.dumps(groups(f"drift.window={window}"))
    assert set(re.findall(r"offset (\w+)", text)) == {window, quarters}
    [alert] = [rule for rule in alerts(f"drift.window={window}") if "Drift" in rule["alert"]]
    assert f"got in {window} are not" in alert["annotations"]["description"]


def test_the_rules_of_drift_are_evaluated_at_each_step() -> None:
    [group] = drift("drift.step=2m")
    assert group["interval"] == "2m"
    assert group["rules"][0]["expr"].endswith("[2m]))")
