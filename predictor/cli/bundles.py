"""The commands that make bundles, and look into them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from predictor import bundle, contract, experiment, signature
from predictor.cli import arguments
from predictor.cli.arguments import Commands
from predictor.errors import SettingsError

if TYPE_CHECKING:
    from predictor.training.dataset import Layout
    from predictor.training.tracks import Track


def add(commands: Commands) -> None:
    """Add what makes bundles, and what looks into them."""
    _add_train(commands.add_parser("train", help="train a model and write its bundle"))
    _add_retrain(
        commands.add_parser("retrain", help="train anew, and replace a bundle if that is no worse")
    )
    verify = commands.add_parser("verify", help="look into a bundle without trusting it")
    verify.add_argument("bundle", type=Path, help="the bundle's folder")
    verify.add_argument("--require-signature", type=Path, metavar="KEY", help="a public key in PEM")
    verify.set_defaults(run=_verify, needs="pip install 'energy-predictor[train]'")


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument(
        "--track",
        choices=("anchored", "raw", "no-leak"),
        help="which columns are used, and how, by default anchored; see docs/model-card.md",
    )
    train.add_argument("--data", type=Path, help="a CSV file like the packaged one, in time order")
    train.add_argument("--output", type=Path, default=Path("bundle"), help="the bundle's folder")
    train.add_argument("--seed", type=arguments.seed, default=42, help="a whole number below 2^32")
    train.add_argument("--sign", type=Path, metavar="KEY", help="an Ed25519 private key in PEM")
    train.add_argument(
        "--tune",
        type=arguments.natural,
        default=0,
        metavar="TRIALS",
        help="search parameters first",
    )
    train.add_argument("--mlflow", action="store_true", help="log the run to MLFLOW_TRACKING_URI")
    other = train.add_argument_group("another plant's data, instead of --track")
    other.add_argument("--contract", type=Path, help="a JSON file with the columns of --data")
    other.add_argument("--time", metavar="COLUMN", help="the CSV column that holds ISO 8601 times")
    other.add_argument(
        "--group", metavar="COLUMN", help="the column whose labels have intervals of their own"
    )
    other.add_argument(
        "--name", type=arguments.name, help="the model's name in URLs, by default the target's"
    )
    train.set_defaults(run=_train, needs="pip install 'energy-predictor[train]'")


def _add_retrain(retrain: argparse.ArgumentParser) -> None:
    retrain.add_argument(
        "--bundle", type=Path, default=Path("bundle"), help="the folder that the server watches"
    )
    retrain.add_argument("--data", type=Path, help="a CSV file, as of train")
    retrain.add_argument(
        "--captured", type=Path, metavar="FOLDER", help="a server's CAPTURE_FOLDER"
    )
    retrain.add_argument("--usage", type=Path, metavar="CSV", help="what was used, by `time`")
    retrain.add_argument("--sign", type=Path, metavar="KEY", help="an Ed25519 private key in PEM")
    retrain.add_argument(
        "--tolerance",
        type=arguments.share,
        metavar="SHARE",
        help="by which share an error may be larger than the served bundle's",
    )
    loop = retrain.add_argument_group("again and again, by the Prefect server of PREFECT_API_URL")
    loop.add_argument("--serve", metavar="NAME", help="run what Prefect schedules under this name")
    loop.add_argument("--cron", help="when, as cron writes it")
    loop.add_argument("--webhook", metavar="HOST:PORT", help="take Alertmanager's alerts there")
    loop.add_argument("--webhook-secret", type=Path, metavar="FILE", help="what they come with")
    retrain.set_defaults(run=_retrain, needs="pip install 'energy-predictor[train,mlflow,prefect]'")


def _train(options: argparse.Namespace) -> None:
    from predictor.training import dataset, pipeline
    from predictor.training.report.progress import Progress

    bundle.check_target(options.output)
    sign = signature.signer(options.sign) if options.sign else None
    log = _tracker(options) if options.mlflow else None
    track, layout, name = _subject(options)
    data = dataset.load(track.contract, options.data, layout)
    plan = pipeline.Plan(track, options.seed, options.name or name, options.tune)
    if options.tune:
        options.needs = "pip install 'energy-predictor[train,tune]'"
    with Progress(pipeline.steps(data, plan)) as progress:
        trained = pipeline.train(data, plan, progress.step)
    bundle.write(options.output, trained.manifest, trained.files, sign)
    beside = experiment.beside(options.output)
    experiment.write(beside, experiment.of_bundle(trained.manifest, options.output.resolve().name))
    print(_summary(trained.manifest))
    print(
        f"wrote {options.output}, version {trained.manifest.version}, and {beside.name} beside it"
    )
    if log:
        print(log(options.output))


def _subject(options: argparse.Namespace) -> "tuple[Track, Layout, str]":
    """Return what is learned, how its file is laid out, and the model's name."""
    from predictor.training import columns, dataset, tracks

    if options.contract is None:
        if options.time or options.group:
            message = "--time and --group describe another plant's data: give its --contract"
            raise SettingsError(message)
        return tracks.TRACKS[options.track or "anchored"], dataset.STEEL, columns.MODEL_NAME
    if options.data is None or options.track:
        message = "--contract describes the columns of --data: give that, and no --track"
        raise SettingsError(message)
    track = tracks.of_columns(contract.read(options.contract), options.group)
    return track, dataset.Layout(time=options.time), track.contract.target.name


def _tracker(options: argparse.Namespace) -> Callable[[Path], str]:
    options.needs = "pip install 'energy-predictor[train,mlflow]'"
    from predictor.training.report import tracking

    return tracking.log


def _summary(manifest: bundle.Manifest) -> str:
    from predictor.training.evaluation import ALL_ROWS, STACK

    unit = manifest.contract.target.unit
    held = f"in {manifest.intervals.target:.0%} interval"
    lines = [f"{'protocol':<20}{'RMSE ' + unit:>12}{'MAE ' + unit:>12}{held:>18}{'rows':>8}"]
    for name, scores in manifest.scores.items():
        score, share = scores[STACK], manifest.intervals.coverage[name][ALL_ROWS].share
        errors = f"{score.rmse:>12.4f}{score.mae:>12.4f}"
        lines.append(f"{name:<20}{errors}{share:>18.1%}{score.rows:>8}")
    boosters = ", ".join(f"{b.trees} of {name}" for name, b in manifest.boosters.items())
    distance = f"largest difference from the libraries: {manifest.parity.native:.1e} {unit}"
    lines.append(f"trees: {boosters}; {distance}")
    return "\n".join(lines)


def _retrain(options: argparse.Namespace) -> None:
    from predictor.retraining import flow, serve

    order = flow.Order(
        folder=str(options.bundle.absolute()),
        **{
            name: str(path.absolute()) if path else ""
            for name, path in {
                "history": options.data,
                "captured": options.captured,
                "measured": options.usage,
                "key": options.sign,
            }.items()
        },
        tolerance=flow.TOLERANCE if options.tolerance is None else options.tolerance,
    )
    if options.serve:
        hook = serve.webhook_of(options.webhook, options.webhook_secret)
        serve.serve(options.serve, order, options.cron, hook)
        return
    if options.cron or options.webhook or options.webhook_secret:
        message = "--cron, --webhook and --webhook-secret are for --serve: give that a name"
        raise SettingsError(message)
    print(flow.run(order))


def _verify(options: argparse.Namespace) -> None:
    from predictor.verify import verify

    required = options.require_signature
    is_signed = None if required is None else signature.verifier(required)
    for sentence in verify(options.bundle, is_signed):
        print(f"ok: {sentence}")
