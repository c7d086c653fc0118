#!/usr/bin/env python3
"""Records a run of two processes of the demo with a real Prometheus, and draws the dashboard of it.

usage: record.py PATH_OF_THE_DEMO_BINARY        (writes ../panels.svg)

Needs `prometheus` and `redis-server` (packages of Debian), and `pip install websockets`. 1000
clients connect; the broker is stopped and started again; one process drains, its clients go to the
other one, and it is started again. It takes three minutes. Prometheus scrapes both processes each
second and evaluates the queries of dashboard.json.
"""

import asyncio
import json
import random
import signal
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidHandshake

import render

HERE = Path(__file__).resolve().parent
CI = HERE.parents[2] / ".ci"
sys.path[:0] = [str(CI), str(CI / "metrics")]
from live import SECRET, event, free_port, redis, silent_client
from smoke import Demo

SETTINGS = {
    "WS__SERVERS__WS__LIMITS__OUTBOX_MESSAGES": "32",
    "WS__SERVERS__WS__LIMITS__MESSAGES_PER_SECOND": "100",
    "WS__SERVERS__WS__HEARTBEAT__INTERVAL": "5s",
    "WS__SERVERS__WS__HEARTBEAT__TIMEOUT": "5s",
    "WS__DRAIN__GRACE": "10s",
    "WS__DRAIN__BATCH": "50",
    "WS__DRAIN__INTERVAL": "500ms",
    "JWT_SECRET": SECRET,
    "RUST_LOG": "error",
}
# Seconds from the beginning of the run.
RAMP, BROKER_STOPS, BROKER_STARTS, DRAIN, END = 25, 65, 90, 120, 182
RESTART_AFTER = 8
ROOM_CLIENTS, ECHO_CLIENTS, OTHER_CLIENTS, ROOM_MEMBERS = 600, 250, 150, 10
ENDINGS = (ConnectionClosed, InvalidHandshake, OSError, EOFError, TimeoutError)


class Run:
    """The two processes, the clients, and what was done when."""

    def __init__(self, binary, cluster):
        self.binary = binary
        self.cluster = cluster
        self.ports = [{name: free_port() for name in ("HTTP", "WS")} for _ in range(2)]
        self.nodes = [None, None]
        self.token = None
        self.began = time.time()
        self.marks = []

    async def start(self, index):
        """Starts a process; after a restart it has the same ports."""
        ports = {
            f"WS__SERVERS__{name}__PORT": str(port) for name, port in self.ports[index].items()
        }
        name = {"WS__CLUSTER__NAME": f"node-{index + 1}"}
        node = Demo(self.binary, **SETTINGS, **self.cluster, **ports, **name)
        await node.__aenter__()
        self.nodes[index] = node

    def mark(self, text):
        """Notes that something is done now."""
        self.marks.append((time.time(), text))
        print(f"{time.time() - self.began:6.1f} s  {text}", flush=True)

    async def until(self, seconds):
        """Waits for this second of the run."""
        await asyncio.sleep(max(0, self.began + seconds - time.time()))

    async def client(self, number, path, talk):
        """A client that stays for some time, and connects again, to the other process, when its
        connection ends."""
        await self.until(random.uniform(0, RAMP))
        node = number % 2
        while True:
            with suppress(*ENDINGS):
                options = {"compression": None, "ping_interval": None, "close_timeout": 1}
                bearer = f"Bearer {self.token}"
                async with self.nodes[node].connect(path, bearer, **options) as socket:
                    talking = asyncio.create_task(talk(socket))
                    try:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(random.uniform(60, 600)):
                                async for _ in socket:
                                    pass
                    finally:
                        talking.cancel()
            node = 1 - node
            await asyncio.sleep(random.uniform(0.2, 3))

    async def strangers(self):
        """Handshakes that are refused."""
        while True:
            for path in ["/wss/demo", "/wss/nowhere", "/wss/errors?fail=teapot"]:
                with suppress(*ENDINGS, AssertionError):
                    await random.choice(self.nodes).refusal(path)
                await asyncio.sleep(random.uniform(0.2, 0.6))

    async def faults(self):
        """Callbacks that panic, floods, and clients that do not read."""
        await self.until(RAMP)
        while True:
            with suppress(*ENDINGS, AssertionError):
                node = random.choice(self.nodes)
                async with node.connect("/wss/errors", close_timeout=1) as client:
                    await client.send("boom")
                    await client.recv()
                    await client.send("panic")
                    await client.recv()
            with suppress(*ENDINGS, AssertionError):
                async with random.choice(self.nodes).connect(
                    "/wss/echo", close_timeout=1
                ) as client:
                    for _ in range(300):
                        await client.send("too many")
            await asyncio.sleep(random.uniform(2, 4))

    async def silent(self, path):
        """Clients that are there and do not read: they answer no ping, and their outbox fills."""
        await self.until(RAMP)
        while True:
            with suppress(*ENDINGS, AssertionError):
                client = await silent_client(random.choice(self.nodes), path, self.token)
                await asyncio.sleep(random.uniform(12, 16))
                client.close()
            await asyncio.sleep(random.uniform(1, 5))

    async def loud(self):
        """A client that says many lines at once in the room of those that do not read."""

        async def talk(socket):
            while True:
                for _ in range(60):
                    await socket.send(event("say", {"text": "🌍" * 500}))
                await asyncio.sleep(3)

        await self.client(0, "/wss/rooms/silent", talk)

    def clients(self):
        """All clients, as coroutines."""
        for number in range(ROOM_CLIENTS):
            yield self.client(number, f"/wss/rooms/{number // ROOM_MEMBERS}", chat)
        for number in range(ECHO_CLIENTS):
            yield self.client(number, "/wss/echo", repeat)
        for number in range(OTHER_CLIENTS):
            yield self.client(number, ["/wss/demo", "/wss/late"][number // 2 % 2], greet)
        yield self.strangers()
        yield self.faults()
        yield self.loud()
        for path in ["/wss/rooms/silent"] * 3 + ["/wss/late"] * 3:
            yield self.silent(path)


async def chat(socket):
    """The events of a member of a room; some of them are wrong."""
    while True:
        await asyncio.sleep(random.uniform(3, 9))
        text = random.choices(
            [
                event("say", {"text": "hello " * random.randint(1, 20)}),
                event("history", {"limit": 5}),
                event("who"),
                event("whoami"),
                event("say", {"text": ""}),
                event("say", {}),
                event("sing"),
                "no envelope",
            ],
            weights=[60, 15, 10, 10, 2, 1, 1, 1],
        )[0]
        await socket.send(text)


async def repeat(socket):
    """Text and binary messages."""
    while True:
        size = random.randint(10, 2000)
        await socket.send(random.choice(["x" * size, b"x" * size]))
        await asyncio.sleep(random.uniform(0.5, 2))


async def greet(socket):
    """A short message now and then."""
    while True:
        await asyncio.sleep(random.uniform(3, 9))
        # The demo closes the connection after `nihao`.
        await socket.send(random.choices(["hello", "nihao"], [50, 1])[0])


@asynccontextmanager
async def prometheus(targets):
    """A Prometheus that scrapes these ports each second; gives the address of its API."""
    with tempfile.TemporaryDirectory() as folder:
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {
                    "job_name": "demo",
                    "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in targets]}],
                }
            ],
        }
        # JSON is YAML.
        (Path(folder) / "prometheus.yml").write_text(json.dumps(config))
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        )
        try:
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.terminate()
            await process.wait()


def query(api, begin, end, expression):
    """The series of a query for each second of this time, as pairs of labels and points."""
    text = expression.replace("$__rate_interval", "10s")
    for name in ["job", "instance", "server", "route"]:
        text = text.replace(f"${name}", ".+")
    fields = {"query": text, "start": f"{begin:.0f}", "end": f"{end:.0f}", "step": "1"}
    with urllib.request.urlopen(f"{api}/query_range?{urllib.parse.urlencode(fields)}") as answer:
        result = json.load(answer)["data"]["result"]
    return [
        (series["metric"], [(at - begin, float(value)) for at, value in series["values"]])
        for series in result
    ]


async def play(run, broker, broker_port):
    """Stops and starts things, at their times."""
    await run.until(BROKER_STOPS)
    run.mark("the broker stops")
    broker.kill()
    await run.until(BROKER_STARTS)
    async with redis(broker_port):
        run.mark("the broker is back")
        await run.until(DRAIN)
        run.mark("node 1 drains")
        node = run.nodes[0]
        node.process.send_signal(signal.SIGTERM)
        await node.process.wait()
        run.mark("node 1 has stopped")
        await asyncio.sleep(RESTART_AFTER)
        await run.start(0)
        run.mark("node 1 is back")
        await run.until(END)


async def main(binary):
    broker_port = free_port()
    run = Run(binary, {"WS__CLUSTER__URL": f"redis://127.0.0.1:{broker_port}"})
    async with (
        redis(broker_port) as broker,
        prometheus([ports["HTTP"] for ports in run.ports]) as api,
    ):
        try:
            await asyncio.gather(run.start(0), run.start(1))
            _, body = await run.nodes[0].login("jerry", "jerry-demo")
            run.token = body["token"]
            run.began = time.time()
            tasks = [asyncio.create_task(client) for client in run.clients()]
            await play(run, broker, broker_port)
            begin, end = round(run.began), round(time.time()) - 1
            dashboard = json.loads((HERE.parent / "dashboard.json").read_text())
            ask = partial(query, api, begin, end)
            recorded = await asyncio.to_thread(render.evaluate, dashboard, ask)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for node in filter(None, run.nodes):
                await node.__aexit__()
    marks = [(at - begin, text) for at, text in run.marks]
    picture = render.picture(dashboard, recorded, marks, end - begin)
    (HERE.parent / "panels.svg").write_text(picture)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
