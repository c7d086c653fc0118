#!/usr/bin/env python3
"""Judges the peer with `websockets` of PyPI, which uses zlib, as client and as server.

usage: python_websockets.py PATH_OF_THE_PEER
"""

import asyncio
import random
import sys
import time
import zlib

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

import peer
from peer import check

SENTENCES = [
    "天地玄黃宇宙洪荒日月盈昃辰宿列張，",
    "いろはにほへとちりぬるを。",
    "The quick brown fox jumps over the lazy dog. ",
]
# The messages of the peer's client: see tests/compression/messages.rs.
MESSAGES = 236
LARGEST = 2 << 20


def text(length):
    """Text of at most this many bytes, which becomes smaller."""
    dice = random.Random(length)
    sentences = "".join(f"{dice.choice(SENTENCES)}{number}" for number in range(length // 20 + 1))
    return sentences.encode()[:length].decode(errors="ignore")


def noise(length):
    """Bytes that do not become smaller."""
    return random.Random(length).randbytes(length)


def large_messages():
    for length in [0, 1, 125, 126, 5000, 65_535, 65_536, 300_000, LARGEST]:
        yield from [text(length), text(length).encode(), noise(length)]


def row():
    """200 messages on both sides of the thresholds, similar to each other."""
    for number in range(200):
        yield [text(number * 17), f'{{"x":{number},"y":{number * 7}}}', noise(number), ""][number % 4]


class StrictWindow:
    """Counts the received messages that are compressed, and checks how far back they refer.

    zlib copies from the bytes that it has just written without a check of the distance. So each
    byte is written by a call of its own, and everything before it is in the window.
    """

    def __init__(self, extension):
        self.bits = extension.remote_max_window_bits
        self.takes_over = not extension.remote_no_context_takeover
        self.inner = extension.decode
        self.inflater = None
        self.count = 0
        self.received = 0
        extension.decode = self.decode

    def decode(self, frame, *, max_size=None):
        if frame.rsv1:
            check("frames of a compressed message", frame.fin, True)
            self.count += 1
            self.received += len(frame.data)
            self.refer(bytes(frame.data) + b"\x00\x00\xff\xff")
        return self.inner(frame, max_size=max_size)

    def refer(self, data):
        if self.inflater is None or not self.takes_over:
            self.inflater = zlib.decompressobj(wbits=-self.bits)
        for index in range(len(data)):
            written = self.inflater.decompress(data[index : index + 1], 1)
            while written or self.inflater.unconsumed_tail:
                written = self.inflater.decompress(self.inflater.unconsumed_tail, 1)


def client(**parameters):
    return {"extensions": [ClientPerMessageDeflateFactory(**parameters)], **SETTINGS}


def server(**parameters):
    return {"extensions": [ServerPerMessageDeflateFactory(**parameters)], **SETTINGS}


SETTINGS = {"compression": None, "max_size": None, "ping_interval": None}


async def fragments(socket, message, size):
    """Yields a message in frames, with pings between them."""
    for start in range(0, len(message), size):
        yield message[start : start + size]
        await socket.ping()


async def send(socket, message, size):
    """Sends a message, in frames of this size if it is not 0."""
    await socket.send(fragments(socket, message, size) if size and message else message)


async def exchange(socket, messages, size=0):
    """Sends all messages while the echoes are received."""
    messages = list(messages)

    async def send_all():
        for message in messages:
            await send(socket, message, size)

    sending = asyncio.create_task(send_all())
    for number, message in enumerate(messages):
        echo = await asyncio.wait_for(socket.recv(), peer.TALK_SECONDS)
        if echo != message:
            raise AssertionError(f"message {number} of {len(message)} has changed")
    await sending


async def as_client(uri):
    """The peer is the server."""
    for number, (route, parameters, expected) in enumerate([
        ("per_message", {}, (True, True, 15, 15)),
        ("per_message/15/1000", {"server_max_window_bits": 10}, (True, True, 10, 15)),
        ("window", {}, (False, False, 12, 12)),
        ("window", {"client_max_window_bits": None}, (False, True, 12, 15)),
        ("window", {"server_max_window_bits": 9, "client_max_window_bits": 10}, (False, False, 9, 10)),
        ("window", {"server_no_context_takeover": True}, (True, False, 12, 12)),
        ("window/15", {"client_max_window_bits": None}, (False, False, 15, 15)),
        ("window/15", {"client_no_context_takeover": True, "server_max_window_bits": 11}, (False, True, 11, 15)),
        ("window/9", {}, (False, False, 9, 9)),
        ("window/12/1000", {}, (False, False, 12, 12)),
    ]):
        async with connect(f"{uri}/{route}", **client(**parameters)) as socket:
            [extension] = socket.protocol.extensions
            agreed = (
                extension.remote_no_context_takeover,
                extension.local_no_context_takeover,
                extension.remote_max_window_bits,
                extension.local_max_window_bits,
            )
            check(f"{route} for {parameters}", agreed, expected)
            await exchange(socket, large_messages(), [0, 20_000][number % 2])
            await exchange(socket, row())
            await exchange(socket, row(), 40)
    # zlib cannot compress with 256 bytes: the connection stays uncompressed.
    for route, parameters in [("window", {"server_max_window_bits": 8}), ("off", {})]:
        async with connect(f"{uri}/{route}", **client(**parameters)) as socket:
            check(f"extensions of {route} for {parameters}", socket.protocol.extensions, [])
            await exchange(socket, row())


def small_messages():
    """Messages that are larger than the windows, some of them repeated from far back."""
    yield from (text(length) for length in [300, 3000, 30_000, 30_000, 3000, 300])
    yield from row()
    yield from (text(length) for length in [700, 5000, 5000, 700] * 5)


async def distances_of_the_server(uri):
    for bits in range(9, 16):
        for route in ["per_message", "window/15"]:
            parameters = client(server_max_window_bits=bits)
            async with connect(f"{uri}/{route}", **parameters) as socket:
                strict = StrictWindow(socket.protocol.extensions[0])
                check("bits", strict.bits, bits)
                await exchange(socket, small_messages())
                check(f"compressed messages of {route}, {bits} bits", strict.count > 50, True)


async def as_server(binary):
    """The peer is the client."""
    for settings, parameters, size in [
        ("per_message", {}, 0),
        ("per_message", {"server_max_window_bits": 10}, 20_000),
        ("window", {}, 0),
        ("window", {"client_max_window_bits": 9}, 20_000),
        ("window/15", {"client_max_window_bits": 15}, 300),
        ("window/9", {"server_no_context_takeover": True}, 0),
        ("window/12/1000", {"client_no_context_takeover": True, "server_max_window_bits": 10}, 0),
        ("per_message/15/1000", {}, 0),
    ]:

        async def echo(socket):
            async for message in socket:
                await send(socket, message, size)

        async with serve(echo, "127.0.0.1", 0, **server(**parameters)) as listening:
            uri = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            output = await peer.run_client(binary, "talk", uri, settings)
        check(f"{settings}: {output}", output.startswith(f"{MESSAGES} messages; permessage-deflate"), True)


async def distances_of_the_client(binary):
    """The client sends messages of the server's choice: the peer's `cases` echoes them."""
    for bits in range(9, 16):

        async def handle(socket):
            if socket.request.path.startswith("/getCaseCount"):
                return await socket.send("1")
            if not socket.request.path.startswith("/runCase"):
                return
            strict = StrictWindow(socket.protocol.extensions[0])
            await exchange(socket, small_messages())
            strictness.append((strict.bits, strict.count > 50))

        strictness = []
        async with serve(handle, "127.0.0.1", 0, **server(client_max_window_bits=bits)) as listening:
            uri = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            await peer.run_client(binary, "cases", uri, "window/15")
        check(f"compressed messages of the client, {bits} bits", strictness, [(bits, True)])


async def main(binary):
    started = time.monotonic()

    def passed(name):
        print(f"{time.monotonic() - started:5.1f} s: {name}", flush=True)

    async with peer.Server(binary) as uri:
        await as_client(uri)
        passed("its client")
        await distances_of_the_server(uri)
        passed("its client, distances")
    await as_server(binary)
    passed("its server")
    await distances_of_the_client(binary)
    passed("its server, distances")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
