from pathlib import Path

import pytest

from predictor import cpus


def limit(tmp_path: Path, membership: str, **files: str) -> float | None:
    root = tmp_path / "cgroup"
    for path, content in files.items():
        file = root / path.replace("__", "/").replace("DOT", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (tmp_path / "self").write_text(membership)
    return cpus.limit(root, tmp_path / "self")


@pytest.mark.parametrize(
    ("content", "expected"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("20000 100000\n", 0.2)],
)
def test_version_2_of_control_groups_says_it_in_one_line(
    tmp_path: Path, content: str, expected: float | None
) -> None:
    assert limit(tmp_path, "0::/\n", cpuDOTmax=content) == expected


@pytest.mark.parametrize(("quota", "expected"), [("200000\n", 2.0), ("-1\n", None)])
def test_version_1_says_it_in_two_files(tmp_path: Path, quota: str, expected: float | None) -> None:
    files = {"cpu__cpuDOTcfs_quota_us": quota, "cpu__cpuDOTcfs_period_us": "100000\n"}
    assert limit(tmp_path, "4:cpu,cpuacct:/\n1:name=systemd:/\n", **files) == expected


def test_the_least_limit_of_all_groups_around_holds(tmp_path: Path) -> None:
    files = {
        "a__cpuDOTmax": "100000 100000",
        "a__b__cpuDOTmax": "max 100000",
        "a__b__c__cpuDOTmax": "300000 100000",
    }
    assert limit(tmp_path, "0::/a/b/c\n", **files) == 1.0


def test_a_path_of_the_host_that_a_container_does_not_see_is_passed_over(tmp_path: Path) -> None:
    found = limit(tmp_path, "0::/kubepods/pod1/x\n", cpuDOTmax="50000 100000")
    assert found == 0.5


def test_no_control_groups_are_no_limit(tmp_path: Path) -> None:
    assert cpus.limit(tmp_path / "none", tmp_path / "nothing") is None


@pytest.mark.parametrize("allowed", [0.2, 1.0, 1000.0, None])
def test_some_cpu_is_used_and_none_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, allowed: float | None
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    assert cpus.count(allowed) == (1 if allowed and allowed <= 1 else 4)
    assert cpus.count(2.5) == 3
