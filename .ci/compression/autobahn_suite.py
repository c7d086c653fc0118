#!/usr/bin/env python3
"""Runs cases of the Autobahn TestSuite against the peer, as server and as client.

The cases are those of the suite itself. kosoku runs them; the suite's own runner needs Python 2.

usage: autobahn_suite.py PATH_OF_THE_PEER [--all]
"""

import asyncio
import fnmatch
import os
import sys
import time
from collections import Counter

import kosoku._caseindex
from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver

import peer

MODES = ["per_message", "window"]
CASE_SECONDS = 900

# Sizes of messages, each of 1000 messages: 16 bytes, 1 KiB, 16 KiB, 16 KiB in frames of 256 bytes,
# and 128 KiB in frames of 32 KiB.
QUICK_SIZES = [1, 4, 7, 12, 18]
# Chapter 12 has data of five kinds (2 is an image, 3 a text), chapter 13 seven offers.
QUICK = {
    "server": [f"12.{data}.{size}" for data in (2, 3) for size in QUICK_SIZES]
    + [f"13.{offer}.{size}" for offer in range(1, 8) for size in (1, 7, 12)],
    "client": [f"13.{offer}.{size}" for offer in range(1, 8) for size in (2, 7)],
}
COMPRESSION = ["12.*", "13.*"]
# Everything else: frames, limits, closing. The suite has no chapters 8 and 11.
OTHERS = [f"{chapter}.*" for chapter in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
NUMBER_OF_COMPRESSION = 216

GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
# Cases that cannot be run because this side declines, or does not offer, what they need.
UNIMPLEMENTED = {
    # The server of these cases answers only an offer of `client_max_window_bits`. A client without
    # a window does not offer it.
    ("client", "per_message"): ["13.3.*", "13.4.*", "13.5.*", "13.6.*"],
    # The same with `client_no_context_takeover`. A client with a window does not offer it.
    ("client", "window"): ["13.2.*", "13.5.*", "13.6.*"],
}


def repair_cases():
    """Gives bytes to the cases 12.* and 13.*.

    kosoku 0.1.0 gives them a message that has arrived uncompressed as str, each byte as a
    character. The peer sends a message uncompressed if it does not become smaller.
    """
    kosoku._caseindex.initialize_shims()
    from case12_x_x import Case12_X_X, Case13_X_X

    def with_bytes(on_message):
        def called(case, message, binary):
            is_text = isinstance(message, str)
            on_message(case, message.encode("latin-1") if is_text else message, binary)

        return called

    for case in Case12_X_X + Case13_X_X:
        case.onMessage = with_bytes(case.onMessage)


def judge(title, role, mode, results, expected):
    """Prints the numbers and the cases that are not good. Returns whether all are."""
    count = Counter(result.behavior.value for result in results)
    numbers = ", ".join(f"{number} {name}" for name, number in sorted(count.items()))
    seconds = sum(result.duration for result in results) / 1000
    print(f"{title}: {numbers} ({seconds:.0f} s of cases)", flush=True)
    is_good = expected is None or len(results) == expected
    if not is_good:
        print(f"  {len(results)} cases instead of {expected}")
    for result in results:
        behavior, close = result.behavior.value, result.behavior_close.value
        skipped = UNIMPLEMENTED.get((role, mode), [])
        if behavior == "UNIMPLEMENTED" and any(fnmatch.fnmatch(result.case_id, it) for it in skipped):
            continue
        agreed = "permessage-deflate" in result.http_response.lower()
        needed = result.case_id.split(".")[0] in ("12", "13")
        if behavior in GOOD and close in GOOD and agreed >= needed:
            continue
        is_good = False
        print(f"  {result.case_id}: {behavior}, {close}: {result.result} {result.result_close}")
    return is_good


async def as_server(uri, mode, cases, expected=None, title="server"):
    """Runs cases against a route of the server."""
    try:
        running = run_fuzzingclient(f"{uri}/{mode}", cases, concurrency=os.cpu_count() or 1)
        results = await running
    except FailureError as failure:
        results = failure.results
    return judge(f"{title}, {mode}", "server", mode, results, expected)


async def as_client(binary, mode, cases, expected=None, title="client"):
    """Lets the client run cases, one after another."""
    async with run_fuzzingserver(cases, host="127.0.0.1", port=0) as server:
        uri = f"ws://{server.address}:{server.port}"
        await peer.run_client(binary, "cases", uri, mode, seconds=CASE_SECONDS)
        try:
            results = await server.get_result()
        except FailureError as failure:
            results = failure.results
    return judge(f"{title}, {mode}", "client", mode, results, expected)


async def quick(binary, uri):
    for mode in MODES:
        yield await as_server(uri, mode, QUICK["server"], len(QUICK["server"]))
        yield await as_client(binary, mode, QUICK["client"], len(QUICK["client"]))


async def everything(binary, uri):
    for mode in MODES:
        yield await as_server(uri, mode, COMPRESSION, NUMBER_OF_COMPRESSION)
        yield await as_server(uri, mode, OTHERS, title="server, chapters 1 to 10")
        yield await as_client(binary, mode, COMPRESSION, NUMBER_OF_COMPRESSION)
        yield await as_client(binary, mode, OTHERS, title="client, chapters 1 to 10")


async def main(binary, is_all):
    repair_cases()
    started = time.monotonic()
    are_good = True
    async with peer.Server(binary) as uri:
        async for is_good in (everything if is_all else quick)(binary, uri):
            are_good &= is_good
    print(f"{time.monotonic() - started:.0f} s")
    if not are_good:
        sys.exit(1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], "--all" in sys.argv[2:]))
