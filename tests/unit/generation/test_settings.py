from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.errors import SettingsError
from predictor.generation.settings import KEYS, VARIABLES, Settings, read

PORT = "deployment.api.port"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_without_anything_said_the_defaults_hold() -> None:
    assert read(None) == Settings()


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert len(KEYS) == len(VARIABLES) == 7
    assert VARIABLES["DEPLOYMENT_DOCKER_BASE_IMAGE"] == "deployment.docker.base_image"


ports = st.none() | st.integers(1, 65_535)


@given(of_file=ports, of_environment=ports, of_flag=ports)
def test_flags_outweigh_the_environment_and_that_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    of_file: int | None,
    of_environment: int | None,
    of_flag: int | None,
) -> None:
    file = tmp_path_factory.mktemp("settings") / "settings.yaml"
    file.write_text(f"deployment: {{api: {{port: {of_file}}}}}" if of_file else "")
    environment = {"DEPLOYMENT_API_PORT": str(of_environment)} if of_environment else {}
    found = read(file, environment, {PORT: str(of_flag)} if of_flag else {})
    assert found.deployment.api.port == (of_flag or of_environment or of_file or 8080)


def test_what_one_source_does_not_say_another_may(file: Path) -> None:
    file.write_text("deployment: {api: {host: 0.0.0.0, port: 80}, docker: null}")
    environment = {"DEPLOYMENT_MONITORING_ENABLE_DRIFT_DETECTION": "false", "DEPLOYMENT": "x"}
    found = read(file, environment, {"deployment.api.workers": 3}).deployment
    assert (found.api.host, found.api.port, found.api.workers) == ("0.0.0.0", 80, 3)  # noqa: S104
    assert not found.monitoring.enable_drift_detection


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("deployment: {api: {prot: 1}}", "no setting deployment.api.prot, but deployment.api.host"),
        ("deployment: {apis: {port: 1}}", "no setting deployment.apis, but deployment.api.host"),
        ("port: 1", "no setting port, but deployment.api.host"),
        ("deployment: {api: {port: {a: 1}}}", "deployment.api.port: got {'a': 1}"),
        ('deployment: {api: {port: "80"}}', "deployment.api.port: got '80'; expected int"),
        ("deployment: {api: {port: 0}}", "deployment.api.port: got 0; expected int >= 1"),
        ("deployment: [1]", "deployment: got [1], expected deployment.api.host, "),
        ("[]", "the file: got [], expected deployment.api.host, "),
        ("deployment: {api: {host: localhost}}", "got 'localhost', expected an address such as"),
        ('deployment: {docker: {base_image: "a b"}}', "deployment.docker.base_image: got 'a b'"),
        ("deployment: {monitoring: {drift_threshold: -1}}", "got -1; expected float >= 0"),
        ("deployment: [", "is no YAML"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(file: Path, text: str, complaint: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read(file)
    assert complaint in str(error.value)


def test_a_variable_is_refused_by_its_own_name() -> None:
    with pytest.raises(SettingsError, match="DEPLOYMENT_API_PORT: got 'many'"):
        read(None, {"DEPLOYMENT_API_PORT": "many"})


def test_a_file_that_is_asked_for_must_be_there(file: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read(file)


def test_a_key_that_is_none_is_refused_of_a_call_too() -> None:
    with pytest.raises(SettingsError, match=r"no setting port, but deployment\.api\.host"):
        read(None, {}, {"port": "80"})
