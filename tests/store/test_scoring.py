"""Files of an object store are scored as files of this machine are."""

import os
import subprocess
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from s3fs import S3FileSystem

from benchmarks.store import KEY, Store
from predictor.scoring.storage import place
from tests.unit.scoring.conftest import Rows, write
from tests.unit.scoring.test_resuming import SECONDS, command, killed

NAMES = [f"{number}{suffix}" for suffix in (".csv", ".jsonl", ".parquet") for number in range(2)]


@pytest.fixture
def year(tmp_path: Path, store: Store, rows: Rows) -> Path:
    """Return a folder of files that the bucket has too, with a bad row now and then."""
    bad = [dict(row) | ({"co2": -1.0} if n % 50 == 0 else {}) for n, row in enumerate(rows)]
    for folder in (tmp_path / "year", store.bucket / "year"):
        folder.mkdir()
        for name in NAMES:
            write(folder / name, bad[: 400 if name.startswith("0") else None])
    return tmp_path / "year"


class Ended(NamedTuple):
    status: int
    said: str


def score(*arguments: object, **environment: str) -> Ended:
    """Score as a command does, in small blocks."""
    ended = subprocess.run(
        command(*arguments),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return Ended(ended.returncode, ended.stderr.strip())


def objects(store: Store) -> list[str]:
    """Return the names of all objects but those of the input."""
    found = [path for path in store.bucket.rglob("*") if path.is_file()]
    names = [str(path.relative_to(store.bucket)) for path in found]
    return sorted(name for name in names if not name.startswith(("year/", ".sgwtmp/")))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_output_in_a_bucket_is_that_of_this_machine(
    tmp_path: Path, store: Store, year: Path, bundle_folder: Path, kind: str
) -> None:
    here, bundle = tmp_path / f"out.{kind}", ("--bundle", bundle_folder)
    assert score(f"{year}/*.{kind}", here, *bundle).status == 0
    ended = score(f"s3://plant/year/*.{kind}", f"s3://plant/out.{kind}", *bundle)
    assert ended.status == 0, ended.said
    assert (store.bucket / here.name).read_bytes() == here.read_bytes()
    refused = here.with_name(f"{here.name}.rejected.csv").read_text()
    said = (store.bucket / f"{here.name}.rejected.csv").read_text()
    assert said == refused.replace(str(year), "s3://plant/year")
    assert objects(store) == [here.name, f"{here.name}.rejected.csv"]


def test_killed_at_any_moment_it_is_gone_on_with(
    tmp_path: Path, store: Store, year: Path, bundle_folder: Path
) -> None:
    whole, target, random = tmp_path / "out.parquet", store.bucket / "out.parquet", Random(1)
    assert score(f"{year}/*.parquet", whole, "--bundle", bundle_folder).status == 0
    order = ("s3://plant/year/*.parquet", "s3://plant/out.parquet", "--bundle", bundle_folder)
    parts, kills = store.bucket / "out.parquet.parts", 0
    for _ in range(3):
        kills += killed(command(*order), parts, random.randint(0, 6), random)
        assert not target.exists() or target.read_bytes() == whole.read_bytes()
    assert kills
    ended = score(*order)
    assert ended.status == 0, ended.said
    assert target.read_bytes() == whole.read_bytes()
    assert objects(store) == ["out.parquet", "out.parquet.rejected.csv"]


def test_shards_share_a_bucket(
    tmp_path: Path, store: Store, year: Path, bundle_folder: Path
) -> None:
    assert score(f"{year}/*.csv", tmp_path / "out.csv", "--bundle", bundle_folder).status == 0
    order = ("s3://plant/year/*.csv", "s3://plant/out.csv", "--bundle", bundle_folder)
    shards = [
        subprocess.Popen(
            command(*order, "--shards", 3, "--shard", index), stderr=subprocess.PIPE, text=True
        )
        for index in range(3)
    ]
    said = [shard.communicate(timeout=SECONDS)[1] for shard in shards]
    assert [shard.returncode for shard in shards] == [0] * 3, said
    assert (store.bucket / "out.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    assert objects(store) == ["out.csv", "out.csv.parts/finished", "out.csv.rejected.csv"]


def test_what_others_have_written_and_removed_is_seen(store: Store) -> None:
    S3FileSystem.clear_instance_cache()  # of another test's server
    folder, there = place("s3://plant/folder"), store.bucket / "folder"
    there.mkdir()
    (there / "first").write_bytes(b"1")
    assert folder.names() == ["first"]
    (there / "second").write_bytes(b"2")
    assert folder.inside("second").read() == b"2"
    assert folder.inside("second").exists()
    assert folder.names() == ["first", "second"]
    (there / "first").unlink()
    assert folder.inside("first").read() is None
    assert not folder.inside("first").exists()
    with pytest.raises(FileNotFoundError):
        folder.inside("first").open()


def test_a_store_that_goes_away_is_said_and_loses_nothing(
    tmp_path: Path, gateway: Store, rows: Rows, bundle_folder: Path
) -> None:
    source, bundle = write(tmp_path / "in.csv", rows), ("--bundle", bundle_folder)
    assert score(source, tmp_path / "out.csv", *bundle).status == 0
    order = (source, "s3://plant/out.csv", *bundle, "--shards", 2, "--shard")
    with gateway.serving():
        assert score(*order, 0).status == 0
    ended = score(*order, 1)
    assert ended.status == 1
    gone = f'Could not connect to the endpoint URL: "{gateway.url}/'
    assert ended.said.startswith(f"predictor: s3://plant/out.csv: {gone}")
    with gateway.serving():
        ended = score(*order, 1)
    assert ended.status == 0, ended.said
    assert (gateway.bucket / "out.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


ABSENT = "No such file or directory"
OTHER_KEY = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method."
)
NOT_THERE = "the bucket or folder that it would be in is not there"


@pytest.mark.parametrize(
    ("source", "target", "environment", "said"),
    [
        ("plant/none.csv", "plant/out.csv", {}, f"s3://plant/none.csv: {ABSENT}"),
        ("nowhere/0.csv", "plant/out.csv", {}, f"s3://nowhere/0.csv: {ABSENT}"),
        ("plant/year/*.tsv", "plant/out.csv", {}, "s3://plant/year/*.tsv: no file has such a name"),
        ("plant/year/0.csv", "nowhere/out.csv", {}, f"s3://nowhere/out.csv.parts: {NOT_THERE}"),
        (
            "plant/year/0.csv",
            "plant/out.csv",
            {"AWS_SECRET_ACCESS_KEY": KEY},
            f"s3://plant/year/0.csv: {OTHER_KEY}",
        ),
        (
            "plant/year/0.csv",
            "plant/out.csv",
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "s3://plant/year/0.csv: Unable to locate credentials",
        ),
        (
            "plant/year/0.csv",
            "plant/year/../year/0.csv",
            {},
            "s3://plant/year/../year/0.csv is the input too: name another output",
        ),
    ],
)
@pytest.mark.usefixtures("year")
def test_what_cannot_be_read_or_written_is_said(
    store: Store,
    bundle_folder: Path,
    source: str,
    target: str,
    environment: dict[str, str],
    said: str,
) -> None:
    ended = score(f"s3://{source}", f"s3://{target}", "--bundle", bundle_folder, **environment)
    assert ended == (1, f"predictor: {said}")
    assert [path.name for path in store.bucket.parent.iterdir() if path.name[0] != "."] == ["plant"]
    assert not objects(store)
