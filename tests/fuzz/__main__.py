"""Fuzz a decoder, guided by what of it has been reached, or a server by its socket.

python -m tests.fuzz DECODER|server CASES [--seed N] [--bundle FOLDER]
"""

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from random import Random

SECONDS_A_CASE = 10
SEEDS = 20
DEPTH = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=["v1", "v2", "binary", "grpc", "server"])
    parser.add_argument("cases", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    options = parser.parse_args()
    if options.target == "server":
        fuzz_server(options.bundle, options.cases, options.seed)
    else:
        fuzz_decoder(options.target, options.cases, options.seed)


def fuzz_decoder(target: str, cases: int, seed: int) -> None:
    """Run a decoder on cases; ends the process, with 0 if nothing was found."""
    import atheris

    with atheris.instrument_imports(include=["predictor.serving", "predictor.contract"]):
        from tests.fuzz import decoders
    from predictor.errors import InvalidInput

    warnings.simplefilter("error")
    read, outcomes = decoders.READ[target], Counter[str]()

    def one(case: bytes) -> None:
        try:
            read(case)
        except InvalidInput:
            outcomes["refused"] += 1
        else:
            outcomes["taken"] += 1
        if outcomes.total() == cases:
            sys.stderr.write(f"{target}: {dict(outcomes)}\n")

    def mutated(case: bytes, most: int, mutation: int) -> bytes:
        random = Random(mutation)
        chance = random.random()
        if chance < 0.4:
            return bytes(atheris.Mutate(case, most))
        found = case if chance < 0.7 else decoders.made(target, random)
        return decoders.mutated(found, random)[:most]

    with tempfile.TemporaryDirectory() as folder:
        for number in range(SEEDS):
            (Path(folder) / str(number)).write_bytes(decoders.made(target, Random(number)))
        arguments = [f"-runs={cases}", f"-seed={seed}", f"-timeout={SECONDS_A_CASE}"]
        arguments += [
            "-max_len=8192",
            f"-mutate_depth={DEPTH}",
            "-print_final_stats=1",
            f"-artifact_prefix={folder}/",
            "-verbosity=0",
            folder,
        ]
        atheris.Setup([sys.argv[0], *arguments], one, custom_mutator=mutated)
        atheris.Fuzz()


def fuzz_server(bundle: Path, cases: int, seed: int) -> None:
    """Start a server, send it cases, and print how they were answered."""
    from tests.fuzz.requests import send
    from tests.protocol.process import running

    with running(bundle, MAX_ROWS="100", MAX_BODY_BYTES="100000") as server:
        sys.stderr.write(f"server: {dict(send(server.url, cases, seed))}\n")


if __name__ == "__main__":
    main()
