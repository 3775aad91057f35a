"""Trains every track on the packaged data, and writes what was measured into docs/model-card.md."""

import time
from pathlib import Path

from predictor import bundle
from predictor.training import dataset, pipeline
from predictor.training.report import card
from predictor.training.report.progress import Progress
from predictor.training.tracks import ANCHORED, TRACKS, Track

PAGE = Path("docs", "model-card.md")
PICTURES = Path("docs", "model-card")
BEGIN, END = "<!-- figures: make model-card -->", "<!-- end of figures -->"
SEED = 42


def main() -> None:
    """Replace the page's figures, and the pictures of the default track."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.partition(END)[2]
    found = "\n\n".join(_section(track) for track in TRACKS.values())
    PAGE.write_text(f"{before}{BEGIN}\n\n{found}\n\n{END}{after}")


def _section(track: Track) -> str:
    """Train a track, and return its figures one heading lower than its own card has them."""
    data, plan = dataset.load(track.contract), pipeline.Plan(track, SEED)
    started = time.perf_counter()
    with Progress(pipeline.steps(data, plan)) as progress:
        trained = pipeline.train(data, plan, progress.step)
    seconds = time.perf_counter() - started
    if track is ANCHORED:
        for name, content in trained.files.items():
            if name.endswith(".png"):
                (PICTURES / name).write_bytes(content)
    size = len(trained.files[bundle.MODEL]) / 1e3
    trees = sum(booster.trees for booster in trained.manifest.boosters.values())
    text = card.figures(trained.manifest).replace("## ", "### ")
    head = f"## Track {track.name}\n\n{trees} trees, {size:.0f} kB, trained in {seconds:.0f} s."
    return f"{head}\n\n{text}"


if __name__ == "__main__":
    main()
