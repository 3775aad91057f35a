"""The command that makes a deployment of an experiment."""

import argparse
from pathlib import Path

from predictor.cli.arguments import Commands

# 1 is an error, and 2 a command that cannot be read.
CONFLICT_EXIT = 3

# More files are only counted.
MOST_NAMED = 12

FLAGS = {
    "host": ("deployment.api.host", "the address of the machine that compose.yaml listens on"),
    "port": ("deployment.api.port", "the port there"),
    "workers": ("deployment.api.workers", "processes that answer; 0: one for each CPU"),
    "base-image": ("deployment.docker.base_image", "what the image is built on"),
    "registry": ("deployment.docker.registry", "where the image goes, such as ghcr.io/team"),
    "drift-threshold": ("deployment.monitoring.drift_threshold", "a PSI; 0: each column's own"),
}
DRIFT = "deployment.monitoring.enable_drift_detection"


def add(commands: Commands) -> None:
    """Add what makes deployments."""
    generate = commands.add_parser("generate", help="make a deployment of any experiment")
    generate.add_argument("experiment", type=Path, help="its experiment_manifest.json")
    generate.add_argument(
        "--output", type=Path, default=Path("deployment"), metavar="DIR", help="the folder"
    )
    generate.add_argument("--title", default="", help="what the API is called")
    generate.add_argument("--api-version", default="", help="by default the model's version")
    generate.add_argument(
        "--force", action="store_true", help="replace files that somebody has changed"
    )
    chosen = generate.add_argument_group("settings, which outweigh the environment and the file")
    chosen.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="by default config/settings.yaml beside the experiment",
    )
    for flag, (_, meaning) in FLAGS.items():
        chosen.add_argument(f"--{flag}", help=meaning)
    chosen.add_argument(
        "--drift-detection",
        action=argparse.BooleanOptionalAction,
        help="whether drift is watched",
    )
    generate.set_defaults(run=_generate, needs="pip install 'energy-predictor[generate]'")


def _generate(options: argparse.Namespace) -> int:
    from predictor import agent

    # What reads a model that is no bundle comes with training.
    options.needs = "pip install 'energy-predictor[generate,train,sklearn]'"
    generated = agent.generate(
        options.experiment,
        options.output,
        api_title=options.title,
        api_version=options.api_version,
        settings_file=options.settings,
        settings=_flags(options),
        force=options.force,
    )
    change = generated.change
    for verb, paths in (("wrote", [*change.written]), ("removed", change.removed)):
        if len(paths) > MOST_NAMED:
            print(f"{verb} {len(paths)} files")
        else:
            print("".join(f"{verb} {path}\n" for path in paths), end="")
    unchanged = set(change.kept) - {conflict.path for conflict in change.conflicts}
    for path in sorted(unchanged):
        print(f"kept {path}, which was changed")
    for conflict in change.conflicts:
        print(conflict)
    if not generated.is_rendered:
        print("left out manifests/ and Prometheus's rules: helm is not on the PATH")
    print(f"{generated.folder} is a deployment of {generated.manifest.image}")
    if change.conflicts:
        print("replace what was changed by --force, then put your changes back in")
    return CONFLICT_EXIT if change.conflicts else 0


def _flags(options: argparse.Namespace) -> dict[str, str]:
    """Return the flags that were given, by the keys of the settings."""
    given = {key: getattr(options, flag.replace("-", "_")) for flag, (key, _) in FLAGS.items()}
    if options.drift_detection is not None:
        given[DRIFT] = str(options.drift_detection).lower()
    return {key: text for key, text in given.items() if text is not None}
