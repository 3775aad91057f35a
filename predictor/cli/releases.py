"""The commands that install releases on Kubernetes, and look at them."""

import argparse

from predictor.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Add what installs releases, and looks at them."""
    _add_deploy(
        commands.add_parser("deploy", help="install or update a release on Kubernetes, and wait")
    )
    status = commands.add_parser("status", help="tell how a release on Kubernetes is")
    _add_release(status)
    status.add_argument("--json", action="store_true", help="print it for programs")
    status.set_defaults(run=_status)


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
