"""Prints what a month costs on three clouds, with its arithmetic: `python -m benchmarks.costs`.

The prices are in docs/clouds/prices.yaml, the sizes in the files for the clouds beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

PRICES = Path(__file__).parents[1] / "docs" / "clouds" / "prices.yaml"
REQUESTS = (10_000, 1_000_000)
HOURS = 730.0  # of a month: 365 days · 24 / 12
SECONDS = HOURS * 3600
# Cloud Run bills a request by tenths of a second. Ours take less than a hundredth.
BILLED_SECONDS = 0.1
# How long a request keeps a container app from being idle: an assumption, as its metrics are.
ACTIVE_SECONDS = 60.0
# What is asked for in cloud-run.yaml, and in the two others.
CLOUD_RUN = (1.0, 0.5)
SMALL = (0.25, 0.5)


class Free(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What costs nothing each month."""

    vcpu_seconds: float
    gib_seconds: float
    requests: float


class BySecond(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prices of what is billed by the second."""

    source: str
    as_of: str
    vcpu_second: float
    gib_second: float
    million_requests: float
    free: Free
    idle_vcpu_second: float = 0.0  # where something that is idle is billed at all


class Fargate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prices of AWS."""

    source: str
    as_of: str
    vcpu_hour: float
    gb_hour: float
    balancer_hour: float
    address_hour: float


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prices of three clouds."""

    cloud_run: BySecond
    container_apps: BySecond
    fargate: Fargate


@dataclass(frozen=True)
class Part:
    """An amount that is billed, how much of it is free, and its price."""

    unit: str
    amount: float
    free: float
    price: float

    @property
    def dollars(self) -> float:
        """What is over the free amount, at its price."""
        return max(self.amount - self.free, 0.0) * self.price

    def __str__(self) -> str:
        amount = f"{self.amount:,.1f}".removesuffix(".0")
        free = f" − {self.free:,.0f} free" if self.free else ""
        return f"({amount}{free}) {self.unit} · {self.price:.7f}".rstrip("0")


@dataclass(frozen=True)
class Bill:
    """What a month costs in one way."""

    way: str
    requests: int
    parts: tuple[Part, ...]

    @property
    def dollars(self) -> float:
        """The sum, without what is free."""
        return sum(part.dollars for part in self.parts)

    @property
    def whole_dollars(self) -> float:
        """The sum where something else has used up what is free."""
        return sum(part.amount * part.price for part in self.parts)


def bills(prices: Prices) -> Iterator[Bill]:
    """Yield a month on each cloud, for each number of requests."""
    for requests in REQUESTS:
        yield _cloud_run(prices.cloud_run, requests)
        yield from _container_apps(prices.container_apps, requests)
        yield from _fargate(prices.fargate, requests)


def _cloud_run(prices: BySecond, requests: int) -> Bill:
    # As if no two requests ever shared an instance, which is the most that it can be.
    seconds, (vcpus, gib) = requests * BILLED_SECONDS, CLOUD_RUN
    parts = (
        Part("vCPU-s", seconds * vcpus, prices.free.vcpu_seconds, prices.vcpu_second),
        Part("GiB-s", seconds * gib, prices.free.gib_seconds, prices.gib_second),
        _asked(prices, requests),
    )
    return Bill("Cloud Run, from zero", requests, parts)


def _container_apps(prices: BySecond, requests: int) -> Iterator[Bill]:
    vcpus, gib = SMALL
    memory = Part("GiB-s", SECONDS * gib, prices.free.gib_seconds, prices.gib_second)
    # A replica stays for five minutes after a request: at even distances it always stays.
    always = Part("vCPU-s", SECONDS * vcpus, prices.free.vcpu_seconds, prices.vcpu_second)
    rest = (memory, _asked(prices, requests))
    yield Bill("Container Apps, from zero, asked at even distances", requests, (always, *rest))
    # Only a replica that minReplicas keeps can be idle.
    active = min(requests * ACTIVE_SECONDS, SECONDS)
    both = (
        Part("vCPU-s", active * vcpus, prices.free.vcpu_seconds, prices.vcpu_second),
        Part("idle vCPU-s", (SECONDS - active) * vcpus, 0, prices.idle_vcpu_second),
    )
    yield Bill("Container Apps, one replica kept", requests, (*both, *rest))


def _asked(prices: BySecond, requests: int) -> Part:
    return Part("requests", requests, prices.free.requests, prices.million_requests / 1e6)


def _fargate(prices: Fargate, requests: int) -> Iterator[Bill]:
    task = (
        Part("vCPU-h", HOURS * SMALL[0], 0, prices.vcpu_hour),
        Part("GB-h", HOURS * SMALL[1], 0, prices.gb_hour),
    )
    yield Bill("Fargate, one task", requests, task)
    # The balancer needs an address in each of two zones.
    outside = (
        Part("balancer-h", HOURS, 0, prices.balancer_hour),
        Part("address-h", 2 * HOURS, 0, prices.address_hour),
    )
    yield Bill("Fargate, one task and a load balancer", requests, task + outside)


def table(prices: Prices) -> str:
    """Return the bills as a table in Markdown."""
    lines = [
        "| a month of | requests | arithmetic | $ | with nothing free |",
        "| --- | --: | --- | --: | --: |",
    ]
    for bill in bills(prices):
        arithmetic = "<br>".join(f"{part} = {part.dollars:.2f}" for part in bill.parts)
        sums = f"{bill.dollars:.2f} | {bill.whole_dollars:.2f}"
        lines.append(f"| {bill.way} | {bill.requests:,} | {arithmetic} | {sums} |")
    return "\n".join(lines)


def read() -> Prices:
    """Return the prices of the file."""
    return msgspec.yaml.decode(PRICES.read_bytes(), type=Prices)


if __name__ == "__main__":
    print(table(read()))
