"""The `predictor` command: parse, call one function, print."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from predictor import __version__, bundle, contract, signature
from predictor.contract import NAME
from predictor.errors import PredictorError, SettingsError

if TYPE_CHECKING:
    from predictor.training.dataset import Layout
    from predictor.training.tracks import Track

# Of `predictor drift --fail-on-drift`; 1 is an error, and 2 a command that cannot be read.
DRIFT_EXIT = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 after an error in one sentence."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (PredictorError, OSError) as error:  # OSError: a shared library that the system lacks
        options.complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        options.complain(f"{error.name} is not installed: {options.needs}")
        return 1


def _complain(sentence: str) -> None:
    print(f"predictor: {sentence}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="predictor", description=main.__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(complain=_complain)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_train(commands.add_parser("train", help="train a model and write its bundle"))

    _add_retrain(
        commands.add_parser("retrain", help="train anew, and replace a bundle if that is no worse")
    )

    serve = commands.add_parser(
        "serve", help="serve a bundle over HTTP; settings: docs/reference/settings.md"
    )
    serve.add_argument("--bundle", help="the bundle's folder, instead of BUNDLE")
    serve.add_argument("--host", help="the address to listen on, instead of LISTEN_HOST")
    serve.add_argument("--port", help="the port to listen on, instead of PORT")
    serve.add_argument(
        "--require-signature", metavar="KEY", help="a public key in PEM; refuse other bundles"
    )
    serve.set_defaults(run=_serve, complain=_log, needs="pip install 'energy-predictor[serve]'")

    _add_check(commands.add_parser("check", help="send a bundle's golden rows to a running server"))

    _add_conformance(
        commands.add_parser(
            "conformance", help="check any server of KServe's protocols against their rules"
        )
    )

    _add_deploy(
        commands.add_parser("deploy", help="install or update a release on Kubernetes, and wait")
    )
    status = commands.add_parser("status", help="tell how a release on Kubernetes is")
    _add_release(status)
    status.add_argument("--json", action="store_true", help="print it for programs")
    status.set_defaults(run=_status)

    _add_drift(
        commands.add_parser("drift", help="compare rows with those that a model was trained on")
    )

    verify = commands.add_parser("verify", help="look into a bundle without trusting it")
    verify.add_argument("bundle", type=Path, help="the bundle's folder")
    verify.add_argument("--require-signature", type=Path, metavar="KEY", help="a public key in PEM")
    verify.set_defaults(run=_verify, needs="pip install 'energy-predictor[train]'")
    return parser


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument(
        "--track",
        choices=("anchored", "raw", "no-leak"),
        help="which columns are used, and how, by default anchored; see docs/model-card.md",
    )
    train.add_argument("--data", type=Path, help="a CSV file like the packaged one, in time order")
    train.add_argument("--output", type=Path, default=Path("bundle"), help="the bundle's folder")
    train.add_argument("--seed", type=_seed, default=42, help="a whole number below 2^32")
    train.add_argument("--sign", type=Path, metavar="KEY", help="an Ed25519 private key in PEM")
    train.add_argument(
        "--tune", type=_natural, default=0, metavar="TRIALS", help="search parameters first"
    )
    train.add_argument("--mlflow", action="store_true", help="log the run to MLFLOW_TRACKING_URI")
    other = train.add_argument_group("another plant's data, instead of --track")
    other.add_argument("--contract", type=Path, help="a JSON file with the columns of --data")
    other.add_argument("--time", metavar="COLUMN", help="the CSV column that holds ISO 8601 times")
    other.add_argument(
        "--group", metavar="COLUMN", help="the column whose labels have intervals of their own"
    )
    other.add_argument(
        "--name", type=_name, help="the model's name in URLs, by default the target's"
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
        type=_share,
        default=0.05,
        metavar="SHARE",
        help="by which share an error may be larger than the served bundle's, by default 0.05",
    )
    loop = retrain.add_argument_group("again and again, by the Prefect server of PREFECT_API_URL")
    loop.add_argument("--serve", metavar="NAME", help="run what Prefect schedules under this name")
    loop.add_argument("--cron", help="when, as cron writes it")
    loop.add_argument("--webhook", metavar="HOST:PORT", help="take Alertmanager's alerts there")
    loop.add_argument("--webhook-secret", type=Path, metavar="FILE", help="what they come with")
    retrain.set_defaults(run=_retrain, needs="pip install 'energy-predictor[train,mlflow,prefect]'")


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument("url", help="such as http://127.0.0.1:8080")
    of_bundle = check.add_mutually_exclusive_group()
    of_bundle.add_argument("--bundle", help="the bundle's folder, instead of BUNDLE")
    of_bundle.add_argument(
        "--no-bundle", action="store_true", help="ask only whether it is ready and counts"
    )
    check.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="how long a server may stay away"
    )
    check.add_argument("--ca", type=Path, help="the authority of the server's certificate, in PEM")
    check.add_argument("--credential", type=Path, metavar="FILE", help="an API key or a token")
    check.add_argument("--certificate", type=Path, help="the client's own certificate, in PEM")
    check.add_argument("--key", type=Path, help="the key of --certificate, in PEM")
    check.set_defaults(run=_check, needs="pip install 'energy-predictor[serve]'")


def _add_conformance(conformance: argparse.ArgumentParser) -> None:
    conformance.add_argument("url", help="such as http://127.0.0.1:8080")
    conformance.add_argument("--model", help="its name, by default the bundle's or the only one")
    conformance.add_argument(
        "--protocol", choices=("v1", "v2"), help="one of the two, by default both"
    )
    conformance.add_argument(
        "--timeout", type=float, default=10, metavar="SECONDS", help="how long an answer may take"
    )
    conformance.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="may be repeated"
    )
    conformance.add_argument(
        "--binary", action="store_true", help="check binary data even if they are not announced"
    )
    conformance.add_argument("--json", action="store_true", help="print the results for programs")
    sample = conformance.add_mutually_exclusive_group()
    sample.add_argument("--bundle", type=Path, help="the folder of a bundle that is served")
    sample.add_argument(
        "--request", type=Path, metavar="FILE", help="JSON with valid instances and inputs"
    )
    conformance.set_defaults(run=_conformance, needs="pip install energy-predictor")


def _add_drift(drift: argparse.ArgumentParser) -> None:
    drift.add_argument("reference", type=Path, help="a bundle's folder, or a file of rows")
    drift.add_argument(
        "current", type=Path, help="a file of rows: CSV, Parquet or captured requests"
    )
    drift.add_argument("--output", type=Path, metavar="FILE", help="write a report in HTML")
    drift.add_argument("--json", action="store_true", help="print the results for programs")
    drift.add_argument(
        "--window-rows", type=_positive, metavar="ROWS", help="by default the reference's, 28 days"
    )
    drift.add_argument(
        "--threshold", type=_threshold, metavar="PSI", help="one for all columns, such as 0.1"
    )
    drift.add_argument(
        "--fail-on-drift", action="store_true", help=f"exit with {DRIFT_EXIT} when there is drift"
    )
    columns = drift.add_mutually_exclusive_group()
    columns.add_argument("--bundle", type=Path, help="whose columns a reference file has")
    columns.add_argument("--contract", type=Path, help="the same, as a JSON file")
    drift.set_defaults(run=_drift, needs="pip install 'energy-predictor[drift]'")


def _add_deploy(deploy: argparse.ArgumentParser) -> None:
    _add_release(deploy)
    deploy.add_argument(
        "--values", action="append", default=[], metavar="FILE", help="values of the chart, in YAML"
    )
    deploy.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a value, as helm takes it"
    )
    deploy.add_argument(
        "--chart", help="a folder, a .tgz or an oci:// address, by default the packaged chart"
    )
    deploy.add_argument(
        "--timeout", type=float, default=300, metavar="SECONDS", help="how long pods may take"
    )
    deploy.set_defaults(run=_deploy)


def _add_release(command: argparse.ArgumentParser) -> None:
    command.add_argument("release", help="its name, which is the InferenceService's")
    command.add_argument("--namespace", "-n", help="by default the current context's")
    command.set_defaults(needs="pip install 'energy-predictor[deploy]'")


def _natural(text: str) -> int:
    if not text.isdecimal():
        message = f"got {text!r}, expected a whole number from 0 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _positive(text: str) -> int:
    if not _natural(text):
        message = f"got {text!r}, expected a whole number from 1 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _threshold(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text) or not float(text):
        message = f"got {text!r}, expected a number over 0"
        raise argparse.ArgumentTypeError(message)
    return float(text)


def _seed(text: str) -> int:
    if _natural(text) >= 2**32:
        message = f"got {text!r}, expected a whole number below 2^32"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _share(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", text):
        message = f"got {text!r}, expected a share such as 0.05"
        raise argparse.ArgumentTypeError(message)
    return float(text)


def _name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        message = f"got {text!r}, expected small letters, digits and _"
        raise argparse.ArgumentTypeError(message)
    return text


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
    print(_summary(trained.manifest))
    print(f"wrote {options.output}, version {trained.manifest.version}")
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
        tolerance=options.tolerance,
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


def _serve(options: argparse.Namespace) -> None:
    # The first process of a container does not hear it otherwise. An exception would not do: some
    # imports swallow it. Nothing has been asked so far.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from predictor.serving import server, settings

    flags = {
        "BUNDLE": options.bundle,
        "LISTEN_HOST": options.host,
        "PORT": options.port,
        "REQUIRE_SIGNATURE": options.require_signature,
    }
    server.serve(settings.read(flags))


def _log(sentence: str) -> None:
    """Say why a server ended as all that it says: by a line of its log."""
    from predictor.serving.observability import logs

    logs.end(sentence)


def _check(options: argparse.Namespace) -> None:
    from predictor.serving import settings
    from predictor.serving.check import Credentials, check

    folder = Path(settings.read({"BUNDLE": options.bundle}).bundle)
    asked = None if options.no_bundle else bundle.read(folder)
    files = Credentials(options.ca, options.credential, options.certificate, options.key)
    print(check(options.url, asked, options.wait, files))


def _conformance(options: argparse.Namespace) -> None:
    from predictor.conformance import client, runner, sample, subject

    server = client.client(options.url, options.timeout, options.header)
    server.send(client.Request("GET", "/v2/health/live"))  # is it there at all?
    rows, model = sample.NONE, options.model
    if options.bundle:
        served = bundle.read(options.bundle)
        rows, model = sample.of_bundle(served), model or served.manifest.name
    if options.request:
        rows = sample.read(options.request)
    judged = subject.Subject(server, model or runner.only_model(server), rows, not options.binary)
    results = []
    for result in runner.run(judged, [options.protocol] if options.protocol else runner.PROTOCOLS):
        results.append(result)
        if not options.json:
            print(runner.line(result), flush=True)
    print(runner.as_json(results) if options.json else runner.summary(results))
    runner.require_kept(results)


def _drift(options: argparse.Namespace) -> int:
    from predictor.drift import comparison, reference, report, sample
    from predictor.training import columns

    given = None if options.contract is None else contract.read(options.contract)
    if options.bundle is not None:
        given = bundle.read(options.bundle).manifest.contract
    expected = reference.read(options.reference, given, columns.CONTRACT, columns.CSV_NAMES)
    rows = sample.read(options.current, expected.contract, columns.CSV_NAMES)
    found = comparison.compare(expected, rows, options.window_rows, options.threshold)
    if options.output:
        report.write(options.output, found)
    print(report.as_json(found) if options.json else report.text(found))
    return DRIFT_EXIT if options.fail_on_drift and found.drift else 0


def _deploy(options: argparse.Namespace) -> None:
    from predictor.deployment import deploy

    deployed = deploy(
        options.release,
        namespace=options.namespace,
        files=options.values,
        sets=options.set,
        chart=options.chart,
        timeout_seconds=options.timeout,
    )
    print(deployed)


def _status(options: argparse.Namespace) -> None:
    from predictor.deployment import release
    from predictor.deployment.summary import as_json

    found = release.status(options.release, namespace=options.namespace)
    print(as_json(found) if options.json else found)
    release.require_complete(found)
