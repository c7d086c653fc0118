#!/usr/bin/env python3
"""Runs the demo in a cluster of one node, causes a bit of everything that is counted, and prints
its `/metrics`.

usage: live.py PATH_OF_THE_DEMO_BINARY        (needs: redis-server, pip install websockets)
"""

import asyncio
import json
import re
import socket
import sys
import tempfile
import urllib.request
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from smoke import STEP_SECONDS, Demo

# Small limits, so that a few messages reach them.
SETTINGS = {
    "WS__SERVERS__WS__LIMITS__OUTBOX_MESSAGES": "8",
    "WS__SERVERS__WS__LIMITS__MESSAGES_PER_SECOND": "200",
    "WS__SERVERS__WS__HEARTBEAT__INTERVAL": "1s",
    "WS__SERVERS__WS__HEARTBEAT__TIMEOUT": "1s",
    "RUST_LOG": "error",
}
SECRET = "a-secret-for-the-test-of-32-bytes"


def free_port():
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def redis(port):
    """A Redis on this port, without persistence."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
        process = await asyncio.create_subprocess_exec(
            *command, *quiet, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def silent_client(demo, path, token):
    """Opens a connection on which nothing is read, with a small buffer in the kernel."""
    host, port = re.fullmatch(r"ws://(.+):(\d+)", demo.ws).groups()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (host, int(port)))
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Authorization: Bearer {token}",
    ]
    await loop.sock_sendall(client, ("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await loop.sock_recv(client, 12)
    if answer != b"HTTP/1.1 101":
        raise AssertionError(f"the handshake was answered with {answer}")
    return client


def event(name, data=None):
    """An event as text."""
    return json.dumps({"event": name, "data": data, "ref": 1})


async def handshakes(demo, token):
    """Refuses handshakes with and without a route, and ends connections in several ways."""
    await demo.refusal("/wss/demo")
    await demo.refusal("/wss/errors?fail=teapot")
    await demo.refusal("/wss/nowhere")
    async with demo.connect("/wss/demo", f"Bearer {token}") as client:
        await client.send("nihao")
        await client.wait_closed()
    async with demo.connect("/wss/errors") as client:
        await client.send("panic")
        await client.wait_closed()


async def messages(demo):
    """Sends text and binary messages, and more than the rate."""
    # The client does not read all that it gets, so it does not see the answer to its close frame.
    async with demo.connect("/wss/echo", close_timeout=1) as client:
        for message in ["text", b"binary"]:
            await client.send(message)
            await client.recv()
        with suppress(ConnectionClosed):
            for _ in range(1000):
                await client.send("too many")


async def rooms(demo, token):
    """Sends events that succeed, fail and are unknown. A member of the room does not read."""
    room = "/wss/rooms/full"
    async with demo.connect(room, f"Bearer {token}", close_timeout=1) as client:
        silent = await silent_client(demo, room, token)
        for text in [event("say", {"text": ""}), event("sing"), "no envelope"]:
            await client.send(text)
        # The duration of every 16th event of a connection is measured.
        for _ in range(20):
            await client.send(event("who"))
        await overflow(demo, client)
        silent.close()


async def overflow(demo, client):
    """Sends lines until the connection that does not read is closed with 1013."""
    async with asyncio.timeout(STEP_SECONDS):
        while 'cause="overflow"' not in await output(demo):
            for _ in range(20):
                await client.send(event("say", {"text": "🌍" * 500}))
            for _ in range(20):
                await client.recv()
            await asyncio.sleep(0.1)


async def lost(demo, token):
    """Does not answer a ping."""
    silent = await silent_client(demo, "/wss/late", token)
    async with asyncio.timeout(STEP_SECONDS):
        while 'cause="heartbeat"' not in await output(demo):
            await asyncio.sleep(0.2)
    silent.close()


async def output(demo):
    """The text of `/metrics`."""

    def get():
        with urllib.request.urlopen(demo.http + "/metrics", timeout=STEP_SECONDS) as answer:
            return answer.read().decode()

    return await asyncio.to_thread(get)


async def main(binary):
    port = free_port()
    cluster = {"WS__CLUSTER__URL": f"redis://127.0.0.1:{port}", "JWT_SECRET": SECRET}
    async with redis(port), Demo(binary, **SETTINGS, **cluster) as demo:
        _, body = await demo.login("jerry", "jerry-demo")
        await handshakes(demo, body["token"])
        await messages(demo)
        await rooms(demo, body["token"])
        await lost(demo, body["token"])
        print(await output(demo), end="")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
