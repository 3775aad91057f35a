"""The commands that serve, and ask servers."""

import argparse
import os
import signal
from pathlib import Path

from predictor import bundle
from predictor.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Add what serves, and what asks servers."""
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
