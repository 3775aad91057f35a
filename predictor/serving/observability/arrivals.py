"""The id of a request, and what it is a part of."""

import re
from binascii import hexlify
from collections.abc import Iterable
from os import urandom
from time import perf_counter

import msgspec

REQUEST_ID = b"x-request-id"
TRACEPARENT = b"traceparent"

_is_sane = re.compile(rb"[\x21-\x7e]{1,128}").fullmatch
# W3C Trace Context: version, trace-id, parent-id, flags; of later versions there may be more.
_parts = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
).fullmatch
LENGTH_OF_VERSION_0 = 55


class Parent(msgspec.Struct, frozen=True):
    """The span that a request was sent from, with its trace and its flags, in hexadecimal."""

    trace_id: bytes
    span_id: bytes
    flags: bytes


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """When a request came, by `perf_counter`, its id, and its `traceparent` as it was sent."""

    start: float
    request_id: bytes
    traceparent: bytes | None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What gRPC answers with."""
        return ((REQUEST_ID.decode(), self.request_id.decode()),)


def arrived(request_id: bytes | None, traceparent: bytes | None) -> Arrival:
    """Note a request that has come with these headers.

    Its id is the one that the client gives it, if that is sane, else its trace, else made up.
    """
    if request_id is None or not _is_sane(request_id):
        found = parent(traceparent)
        request_id = found.trace_id if found else hexlify(urandom(16))
    return Arrival(perf_counter(), request_id, traceparent)


def arrived_with(metadata: Iterable[tuple[str, str | bytes]] | None) -> Arrival:
    """Note a call that has come by gRPC."""
    # Metadata are visible ASCII, but for names that end in -bin.
    sent = {key.encode(): str(value).encode() for key, value in metadata or ()}
    return arrived(sent.get(REQUEST_ID), sent.get(TRACEPARENT))


def parent(traceparent: bytes | None) -> Parent | None:
    """Return what a header `traceparent` says, or None when it is none, or not a valid one."""
    if traceparent is None or not (found := _parts(traceparent)):
        return None
    if traceparent.startswith(b"00") and len(traceparent) > LENGTH_OF_VERSION_0:
        return None
    return Parent(*found.groups())
