"""How many CPUs this process may use: what its control groups allow, not what the machine has."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def limit(root: Path = ROOT, membership: Path = MEMBERSHIP) -> float | None:
    """Return the CPUs that the control groups allow, or None when they set no limit.

    A group may use no more than the groups that it is in, so the least limit holds. Version 2 of
    control groups writes it to cpu.max, version 1 to cpu.cfs_quota_us and cpu.cfs_period_us.
    """
    quotas = [_quota(folder) for folder in _folders(root, membership)]
    return min((quota for quota in quotas if quota is not None), default=None)


def count(allowed: float | None) -> int:
    """Return the CPUs to use at once under a limit: rounded up, and no more than there are."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    here = available or 1
    return here if allowed is None else max(1, min(here, -int(-allowed // 1)))


def _folders(root: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of the groups that the process is in, and of those they are in."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container the path may be the host's, and its folder not be there.
        base = root / ("cpu" if controllers else "")
        group = base / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(base))
    yield from (root, root / "cpu")


def _quota(folder: Path) -> float | None:
    """Return a group's own limit in CPUs, or None without one."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not quota.isdigit() or int(quota) == 0:  # "max", or -1
        return None
    return int(quota) / int(period)
