"""A training told to a real MLflow server, which the test starts."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from predictor import bundle, cli
from predictor.bundle import Manifest
from predictor.errors import TrackingError
from predictor.training.report import tracking
from tests.servers import mlflow_server

LOGIN = "me:secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a server with a store of its own, started and ended here."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def manifest(bundle_folder: Path) -> Manifest:
    return bundle.read(bundle_folder).manifest


def test_a_training_is_logged_and_its_bundle_can_be_fetched_from_the_registry(
    server: str,
    bundle_folder: Path,
    manifest: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    first, second = tracking.log(bundle_folder), tracking.log(bundle_folder)
    assert "models:/energy/1" in first
    assert "models:/energy/2" in second
    client = mlflow.MlflowClient(server)
    version = client.get_model_version("energy", "2")
    assert version.tags == {"version": manifest.version, "track": "anchored"}
    run = client.get_run(str(version.run_id))
    score = manifest.scores["5-fold"]["stack"]
    assert run.data.metrics["5-fold/stack/rmse"] == score.rmse
    held = manifest.intervals.coverage["random 80/20"]["Light"].share
    assert run.data.metrics["random 80/20/coverage/Light"] == held
    assert run.data.params["xgboost/max_depth"] == "4"
    assert run.data.params["data sha256"] == manifest.data.sha256
    fetched = mlflow.artifacts.download_artifacts("models:/energy/2", dst_path=str(tmp_path))
    assert bundle.read(Path(fetched)).manifest == manifest
    assert cli.main(["verify", fetched]) == 0


# MLflow's store uses what SQLAlchemy 2.1 is about to remove.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_without_a_server_a_local_store_is_used(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "models:/energy/1" in tracking.log(bundle_folder)
    assert (tmp_path / "mlflow.db").is_file()


def test_train_logs_when_asked_to(
    server: str,
    csv_lines: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    (tmp_path / "data.csv").write_bytes(b"".join(csv_lines))
    files = ["--data", str(tmp_path / "data.csv"), "--output", str(tmp_path / "bundle")]
    assert cli.main(["train", "--mlflow", "--name", "mill", *files]) == 0
    assert "registered models:/mill/1" in capsys.readouterr().out


def test_a_server_that_is_away_is_an_error_in_one_sentence(
    csv_lines: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{LOGIN}@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "data.csv").write_bytes(b"".join(csv_lines))
    files = ["--data", str(tmp_path / "data.csv"), "--output", str(tmp_path / "bundle")]
    assert cli.main(["train", "--mlflow", *files]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("predictor: the bundle was written, but MLflow at http://127.0.0.1:1")
    assert "secret" not in error


def test_a_store_whose_driver_is_missing_is_an_error_in_one_sentence(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://{LOGIN}@127.0.0.1:1/mlflow")
    with pytest.raises(TrackingError, match=r"the bundle was written, .* No module named") as error:
        tracking.log(bundle_folder)
    assert "secret" not in str(error.value)
