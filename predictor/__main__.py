"""`python -m predictor` is the `predictor` command."""

from predictor.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
