import struct

from predictor.training.pipeline import Trained
from predictor.training.report.card import CARD

PICTURES = [
    "predicted-against-actual.png",
    "error-by-group.png",
    "error-by-month.png",
    "coverage.png",
]


def test_the_card_says_first_that_the_power_factors_are_computed_from_the_target(
    trained: Trained,
) -> None:
    title, _, first, *_ = trained.files[CARD].decode().splitlines()
    assert title == f"# Model card: energy, track anchored, version {trained.manifest.version}"
    assert first.startswith("**The published power factors are computed from the target.**")


def test_the_card_has_every_protocol_and_picture(trained: Trained) -> None:
    text = trained.files[CARD].decode()
    for protocol in trained.manifest.scores:
        assert text.count(f"### {protocol}\n") == 2
    for picture in PICTURES:
        assert f"![{picture}]({picture})" in text
        assert picture in trained.files


def test_the_scores_are_those_of_the_manifest(trained: Trained) -> None:
    text = trained.files[CARD].decode()
    score = trained.manifest.scores["5-fold"]["stack"]
    assert f"| stack | {score.rmse:.4g} | {score.mae:.4g} |" in text
    assert f"| {score.r2:.6f} |" in text


def test_pictures_are_png_of_a_size_that_can_be_seen(trained: Trained) -> None:
    for picture in PICTURES:
        content = trained.files[picture]
        assert content.startswith(b"\x89PNG")
        assert struct.unpack(">II", content[16:24]) == (640, 400)
        assert len(content) > 5_000


def test_the_card_says_from_when_on_it_is_drift(trained: Trained) -> None:
    profile = trained.manifest.profile
    assert profile is not None
    text = trained.files[CARD].decode()
    assert "In a window of 2688 rows, PSI over these is drift: " in text
    assert all(f"`{bins.name}` {bins.threshold:g}" in text for bins in profile.bins)
