"""Contracts, rows and bodies that are made up: right ones, and ones that are nearly so.

Each is made from one random generator, thousands in a second, and is the same again for a seed.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random

import msgspec

from predictor.contract import LARGEST, Column, Contract, Row, Target

Value = float | int | str | None

# Words of Python among them: a contract's names are a user's.
NAMES = ("class", "def", "none", "true", "self", "a", "a1", "x_y", "column_0", "value", "name")
LIMITS = (
    *((-LARGEST, LARGEST), (0.0, 100.0), (-5.0, 5.0), (0.5, 3.5), (2.0, 2.0), (0.2, 0.8)),
    *((-1e300, 1e300), (0.0, 2.0**53), (-(2.0**62), 2.0**62), (-(2.0**63), 2.0**63)),
    *((0.0, 2.0**64), (2.0**63, 2.0**70), (-(2.0**70), -(2.0**63)), (0.0, LARGEST)),
)
LABELS = ("Monday", "Mon", "", "é", '"', "\\", "NaN", "0", "null", "a\nb", "Light_Load", "𝄞")
TARGET = Target("target", "u", "d")

# JSON's numbers where decoders differ, what only looks like JSON, and what is no number.
ODD = (
    *(b"true false null NaN Infinity -Infinity nan 1e400 -1e400 -0 -0.0 0 0.0 1 2".split()),
    *(b"3.0 3e0 1e2 1E+2 9007199254740993 9007199254740992.5 9223372036854775807".split()),
    *(b"4611686018427387904 4611686018427387905 9223372036854775808".split()),
    *(b"1180591620717411303424 18446744073709551616 -9223372036854775809 0.1".split()),
    *(b"1e-400 01 1. .5 +1 0x1 1e -".split()),
    *(b'"" "900" "Monday" "NaN" "\\ud800" "\xff" nul \xef\xbb\xbf'.split()),
    *(b'[] {} [1] {"a":1} [[]]'.split()),
    *(b"1" + b"0" * zeros for zeros in (39, 308, 309, 400)),
)
STRUCTURE = tuple(bytes([byte]) for byte in b'[]{},:"\\ \n\0\xff0-eE.')
SPACES = (b"", b"", b"", b" ", b"\t\r\n ")


def contract(random: Random) -> Contract:
    """Return a contract of one to four columns, whose limits may be beyond 64 bits."""
    names = random.sample(NAMES, random.randint(1, 4))
    return Contract(tuple(_column(random, name) for name in names), TARGET)


def _column(random: Random, name: str) -> Column:
    column = _required(random, name)
    may_lack = "" not in column.labels and random.random() < 0.3
    return msgspec.structs.replace(column, optional=True) if may_lack else column


def _required(random: Random, name: str) -> Column:
    labels = random.sample(LABELS, random.randint(1, 5))
    kind = random.choice(["FP64", "INT64", "INT64 with labels", "BYTES"])
    if kind == "BYTES":
        last = random.randrange(len(labels))
        codes = {label: min(place, last) for place, label in enumerate(labels)}
        return Column(name, "BYTES", "u", "d", labels=codes)
    if kind == "INT64 with labels":
        codes = {label: random.randint(-3, 6) for label in labels}
        least, greatest = random.choice([(-3.0, 6.0), (-3.5, 6.5), (-LARGEST, LARGEST)])
        return Column(name, "INT64", "u", "d", least, greatest, codes)
    return Column(name, "FP64" if kind == "FP64" else "INT64", "u", "d", *random.choice(LIMITS))


def value(random: Random, column: Column) -> Value:
    """Return a value that a column allows; 0 where it allows none."""
    if column.optional and random.random() < 0.2:
        return None
    if column.labels and (column.datatype == "BYTES" or random.random() < 0.5):
        return random.choice(list(column.labels))
    return number(random, column)


def number(random: Random, column: Column) -> float:
    """Return a number within a column's limits, whole if need be; 0 where there is none."""
    least, greatest = max(column.minimum, -1e25), min(column.maximum, 1e25)
    if column.datatype == "FP64":
        ends = (column.minimum, column.maximum, round(min(greatest, max(least, 0.0))))
        within = (random.uniform(least, greatest), round(random.uniform(least, greatest), 2))
        return random.choice([*within, *within, *ends])
    whole = (int(least) + (int(least) < least), int(greatest) - (int(greatest) > greatest))
    return random.randint(*whole) if whole[0] <= whole[1] else 0


def row(random: Random, contract: Contract) -> Row:
    """Return a row that a contract allows."""
    return {column.name: value(random, column) for column in contract.columns}


def token(random: Random, column: Column) -> bytes:
    """Return a value as JSON: mostly one that a column allows, now and then one of ODD."""
    chance = random.random()
    if chance < 0.02:
        return random.choice(ODD)
    found = value(random, column)
    if type(found) is int and abs(found) < 2**53 and chance < 0.2:
        found = float(found)
    return json.dumps(found, ensure_ascii=chance < 0.5).encode()


def row_token(random: Random, contract: Contract, kind: str) -> bytes:
    """Return a row as JSON, as an object or an array; now and then with a key more or less."""
    cells = [(json.dumps(c.name).encode(), token(random, c)) for c in contract.columns]
    chance = random.random()
    if chance < 0.02:
        cells.append(random.choice([*cells, (b'"other"', b"1")]))
    elif chance < 0.03 or (contract.columns[-1].optional and chance < 0.2):
        cells.pop()
    space = random.choice(SPACES)
    comma = space + b"," + space
    if kind == "objects" or (kind == "both" and random.random() < 0.5):
        random.shuffle(cells)
        members = [key + b":" + space + found for key, found in cells]
        return b"{" + space + comma.join(members) + space + b"}"
    return b"[" + space + comma.join(found for _, found in cells) + space + b"]"


def listed(random: Random, contract: Contract, most: int = 12) -> bytes:
    """Return a list of rows as JSON."""
    space, kind = random.choice(SPACES), random.choice(["objects", "arrays", "both"])
    rows = [row_token(random, contract, kind) for _ in range(random.randint(0, most))]
    return b"[" + space + (space + b"," + space).join(rows) + space + b"]"


def request(random: Random, contract: Contract) -> bytes:
    """Return a body of V1; now and then with other keys, or with both keys that hold rows."""
    space, chance = random.choice(SPACES), random.random()
    keys = [random.choice([b'"instances"', b'"inputs"']) for _ in range(2)]
    members = [keys[0] + space + b":" + space + listed(random, contract)]
    if chance < 0.05:
        members.append(keys[1] + b":" + listed(random, contract, 2))
    elif chance < 0.1:
        members.insert(random.randint(0, 1), b'"signature_name":"x"')
    return space + b"{" + space + b",".join(members) + space + b"}" + space


def damaged(random: Random, body: bytes, parts: Sequence[bytes] = STRUCTURE + ODD) -> bytes:
    """Return a body in which one place is left out, doubled, changed, filled, or the last."""
    start = random.randint(0, len(body))
    end = min(len(body), start + random.choice([0, 1, 1, 2, 8, 40]))
    part = random.choice(
        [b"", body[start:end] * 2, random.randbytes(2), *[random.choice(parts)] * 3]
    )
    return body[:start] + part + (b"" if random.random() < 0.1 else body[end:])


def nearly(
    random: Random, make: Callable[[Random, Contract], bytes], contract: Contract, count: int
) -> Iterator[bytes]:
    """Yield bodies, most of them as they are made, and some of them damaged."""
    for _ in range(count):
        body = make(random, contract)
        yield damaged(random, body) if random.random() < 0.3 else body
