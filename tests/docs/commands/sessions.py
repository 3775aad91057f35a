"""What is there before a page's first command, which is what the page takes for granted."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pandas as pd

from predictor import bundle, experiment
from predictor.training.dataset import PACKAGED, load
from tests.keys import openssl
from tests.paths import ROOT
from tests.protocol.security.credentials import ec_key, jwks

Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Session:
    """What is made in the folder, what stands for names of the reader's own, and who serves."""

    prepare: Prepare = lambda _: None
    replaced: Mapping[str, str] = field(default_factory=dict)
    is_served: bool = False


def readings(name: str, rows: int | None = None) -> Prepare:
    """Return what puts the packaged data, or their last rows, under a name."""
    packed = resources.files("predictor.training").joinpath("data", PACKAGED).read_bytes()
    header, *lines = gzip.decompress(packed).splitlines(keepends=True)
    return lambda folder: void(
        (folder / name).write_bytes(header + b"".join(lines[-(rows or 0) :]))
    )


def void(_: object) -> None:
    """Give nothing back."""


def experiment_of_the_bundle(folder: Path) -> None:
    manifest = bundle.read(folder / "bundle").manifest
    experiment.write(folder / experiment.FILE, experiment.of_bundle(manifest, "bundle"))


def certificate_and_provider(folder: Path) -> None:
    """Make an authority that is its own server's, and the keys that a provider publishes."""
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", folder / "tls.key", "-out", folder / "tls.crt")
    assert openssl("req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", 1, *name, *files)
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())
    (folder / "jwks.json").write_bytes(jwks(ec=ec_key("ec")))


def furnace(folder: Path) -> None:
    """Write the contract that the page shows, and 1,500 hours that it describes."""
    page = (ROOT / "docs" / "how-to" / "train-on-other-data.md").read_text()
    (folder / "furnace.json").write_text(page.split("```json\n")[1].split("```")[0])
    shifts, furnaces = ("early", "late", "night"), ("north", "south")
    lines = ["measured_at,flow,shift,furnace,heat"]
    for hour in range(1500):
        time = f"2026-{1 + hour // 672:02}-{1 + hour % 672 // 24:02}T{hour % 24:02}:00:00"
        flow = 5 + hour * 7919 % 1000 / 50
        heat = flow * (9.5 if hour % 2 else 10.2)
        lines.append(f"{time},{flow},{shifts[hour % 24 // 8]},{furnaces[hour % 2]},{heat:.3f}")
    (folder / "furnace.csv").write_text("\n".join(lines) + "\n")


def month_and_year(folder: Path) -> None:
    """Write rows by the contract's names: a month as CSV, and years of two files in each format."""
    contract = bundle.read(folder / "bundle").manifest.contract
    columns = load(contract).columns[-2688:]
    rows = [
        {c.name: c.decode(v) for c, v in zip(contract.columns, row, strict=True)} for row in columns
    ]
    frame = pd.DataFrame(rows)
    frame.to_csv(folder / "june.csv", index=False)
    for year in (folder / "year", folder / "plant" / "2018"):
        year.mkdir(parents=True)
        for number, part in enumerate((frame[:1000], frame[1000:])):
            part.to_parquet(year / f"{number}.parquet")
            part.to_json(year / f"{number}.jsonl", orient="records", lines=True)


# Of the pages on which all is run that is not among what cannot be.
SESSIONS = {
    "README.md": Session(),
    "docs/tutorial.md": Session(),
    "docs/how-to/build-the-image.md": Session(),
    "docs/how-to/call-from-inside-the-cluster.md": Session(
        replaced={"energy-predictor.plant.svc": "127.0.0.1"}, is_served=True
    ),
    "docs/how-to/capture-requests.md": Session(),
    "docs/how-to/deploy-any-experiment.md": Session(experiment_of_the_bundle),
    "docs/how-to/explain-predictions.md": Session(is_served=True),
    "docs/how-to/kserve-sdk.md": Session(),
    "docs/how-to/reload-a-bundle.md": Session(),
    "docs/how-to/run-on-one-machine.md": Session(readings("history.csv")),
    "docs/how-to/score-a-file.md": Session(month_and_year, replaced={"s3://plant/": "plant/"}),
    "docs/how-to/secure-the-server.md": Session(
        certificate_and_provider, {"https://idp.example/.well-known/jwks.json": "jwks.json"}
    ),
    "docs/how-to/sign-bundles.md": Session(),
    "docs/how-to/trace-requests.md": Session(),
    "docs/how-to/track-with-mlflow.md": Session(
        replaced={"http://mlflow.example:5000": "sqlite:///mlflow.db"}
    ),
    "docs/how-to/train-on-other-data.md": Session(furnace),
    "docs/how-to/version-data.md": Session(),
    "docs/how-to/watch-for-drift.md": Session(readings("june.csv", 2688)),
    "docs/how-to/what-if.md": Session(),
    "docs/reference/conformance.md": Session(is_served=True),
    "docs/reference/grpc.md": Session(is_served=True),
    "docs/reference/logs.md": Session(),
}
