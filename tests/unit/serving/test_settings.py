import pytest

from predictor.errors import SettingsError
from predictor.serving.settings import NAMES, Settings, read, traces_wanted


def test_without_an_environment_the_defaults_hold() -> None:
    assert read({}, {}) == Settings()


def test_the_environment_is_read_in_capitals() -> None:
    settings = read({}, {"PORT": "9000", "LOG_LEVEL": "DEBUG", "port": "1", "HOME": "/root"})
    assert (settings.port, settings.log_level) == (9000, "DEBUG")


def test_a_flag_outweighs_the_environment() -> None:
    assert read({"PORT": "1", "BUNDLE": None}, {"PORT": "2", "BUNDLE": "b"}).port == 1
    assert read({"BUNDLE": None}, {"BUNDLE": "b"}).bundle == "b"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "http", "Expected `int`"),
        ("PORT", "70000", "Expected `int` <= 65535"),
        ("MAX_ROWS", "0", "Expected `int` >= 1"),
        ("LISTEN_HOST", "", "Expected `str` of length >= 1"),
        ("REQUIRE_SIGNATURE", "", "Expected `str` of length >= 1"),
        ("BUNDLE", "", "Expected `str` of length >= 1"),
        ("LOG_LEVEL", "loud", "Invalid enum value"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as error:
        read({}, {name: value})
    assert str(error.value).startswith(f"setting {name} is {value!r}: {reason}")


def test_every_setting_has_a_name_in_capitals() -> None:
    assert all(name == name.upper() for name in NAMES)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "energy"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
    ],
)
def test_traces_are_wanted_when_the_variables_of_opentelemetry_say_so(
    environment: dict[str, str], *, wanted: bool
) -> None:
    assert traces_wanted(environment) is wanted
