"""The `predictor` command: parse, call one function, print."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from predictor import __version__, bundle
from predictor.errors import PredictorError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 after an error in one sentence."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (PredictorError, OSError) as error:  # OSError: a shared library that the system lacks
        print(f"predictor: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        print(f"predictor: {error.name} is not installed: {options.needs}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="predictor", description=main.__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train the model and write a bundle")
    train.add_argument("--data", type=Path, help="a CSV file like the packaged one, in time order")
    train.add_argument("--output", type=Path, default=Path("bundle"), help="the bundle's folder")
    train.add_argument("--seed", type=_natural, default=42, help="a whole number from 0 on")
    train.set_defaults(run=_train, needs="pip install 'energy-predictor[train]'")

    serve = commands.add_parser(
        "serve", help="serve a bundle over HTTP; settings: docs/reference/settings.md"
    )
    serve.add_argument("--bundle", help="the bundle's folder, instead of BUNDLE")
    serve.add_argument("--host", help="the address to listen on, instead of LISTEN_HOST")
    serve.add_argument("--port", help="the port to listen on, instead of PORT")
    serve.set_defaults(run=_serve, needs="pip install 'energy-predictor[serve]'")

    check = commands.add_parser("check", help="send a bundle's golden rows to a running server")
    check.add_argument("url", help="such as http://127.0.0.1:8080")
    check.add_argument("--bundle", help="the bundle's folder, instead of BUNDLE")
    check.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="how long a server may stay away"
    )
    check.set_defaults(run=_check, needs="pip install 'energy-predictor[serve]'")
    return parser


def _natural(text: str) -> int:
    if not text.isdecimal():
        message = f"got {text!r}, expected a whole number from 0 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _train(options: argparse.Namespace) -> None:
    from predictor.training import dataset, pipeline
    from predictor.training.columns import CONTRACT
    from predictor.training.progress import Progress

    bundle.check_target(options.output)
    data = dataset.load(CONTRACT, options.data)
    plan = pipeline.Plan(CONTRACT, seed=options.seed)
    with Progress(pipeline.steps()) as progress:
        manifest, model = pipeline.train(data, plan, progress.step)
    bundle.write(options.output, manifest, model)
    print(_summary(manifest))
    print(f"wrote {options.output}, version {manifest.version}")


def _summary(manifest: bundle.Manifest) -> str:
    unit = manifest.contract.target.unit
    lines = [f"{'split':<20}{'RMSE ' + unit:>12}{'MAE ' + unit:>12}{'rows':>8}"]
    lines += [
        f"{name:<20}{score.rmse:>12.4f}{score.mae:>12.4f}{score.rows:>8}"
        for name, score in manifest.scores.items()
    ]
    boosters = ", ".join(f"{b.trees} of {name}" for name, b in manifest.boosters.items())
    lines.append(f"trees: {boosters}; largest difference from the libraries: {manifest.parity:.1e}")
    return "\n".join(lines)


def _serve(options: argparse.Namespace) -> None:
    from predictor.serving import server, settings

    flags = {"BUNDLE": options.bundle, "LISTEN_HOST": options.host, "PORT": options.port}
    server.serve(settings.read(flags))


def _check(options: argparse.Namespace) -> None:
    from predictor.serving import settings
    from predictor.serving.check import check

    folder = settings.read({"BUNDLE": options.bundle}).bundle
    print(check(options.url, bundle.read(Path(folder)), options.wait))
