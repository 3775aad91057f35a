"""The command that measures drift."""

import argparse
from pathlib import Path

from predictor import bundle, contract
from predictor.cli import arguments
from predictor.cli.arguments import Commands

# Of --fail-on-drift; 1 is an error, and 2 a command that cannot be read.
DRIFT_EXIT = 3


def add(commands: Commands) -> None:
    """Add what compares rows with those of a training."""
    drift = commands.add_parser("drift", help="compare rows with those that a model was trained on")
    drift.add_argument("reference", type=Path, help="a bundle's folder, or a file of rows")
    drift.add_argument(
        "current", type=Path, help="a file of rows: CSV, Parquet or captured requests"
    )
    drift.add_argument("--output", type=Path, metavar="FILE", help="write a report in HTML")
    drift.add_argument("--json", action="store_true", help="print the results for programs")
    drift.add_argument(
        "--window-rows",
        type=arguments.positive,
        metavar="ROWS",
        help="by default the reference's, 28 days",
    )
    drift.add_argument(
        "--threshold",
        type=arguments.threshold,
        metavar="PSI",
        help="one for all columns, such as 0.1",
    )
    drift.add_argument(
        "--fail-on-drift", action="store_true", help=f"exit with {DRIFT_EXIT} when there is drift"
    )
    columns = drift.add_mutually_exclusive_group()
    columns.add_argument("--bundle", type=Path, help="whose columns a reference file has")
    columns.add_argument("--contract", type=Path, help="the same, as a JSON file")
    drift.set_defaults(run=_drift, needs="pip install 'energy-predictor[drift]'")


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
