#!/usr/bin/env python3
"""Drives the demo with a WebSocket client that this project did not write.

usage: smoke.py PATH_OF_THE_DEMO_BINARY        (needs: pip install websockets)
"""

import asyncio
import base64
import json
import os
import re
import signal
import sys
import urllib.error
import urllib.request

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

STEP_SECONDS = 30
MEBIBYTE = 1 << 20


def check(what, seen, expected):
    """Fails with the seen and the expected value."""
    if seen != expected:
        raise AssertionError(f"{what}: expected {expected!r}, saw {seen!r}")


class Demo:
    """The demo as a process of its own, on ports that the system chose."""

    def __init__(self, binary, **settings):
        self.binary = binary
        self.settings = settings

    async def __aenter__(self):
        environment = os.environ | {
            "WS__SERVERS__HTTP__PORT": "0",
            "WS__SERVERS__WS__PORT": "0",
            "WS_DEMO_DB": ":memory:",
            "RUST_BACKTRACE": "0",  # the test causes a panic
            **self.settings,
        }
        self.process = await asyncio.create_subprocess_exec(
            self.binary, env=environment, stdout=asyncio.subprocess.PIPE
        )
        try:
            self.http = await self.address("HTTP")
            self.ws = await self.address("WebSocket")
        except BaseException:
            self.kill()
            raise
        return self

    async def __aexit__(self, *_):
        self.kill()
        await self.process.wait()

    def kill(self):
        if self.process.returncode is None:
            self.process.kill()

    async def address(self, name):
        """The address of a server, as the demo prints it."""
        async with asyncio.timeout(STEP_SECONDS):
            async for line in self.process.stdout:
                if found := re.match(rf"{name}\s+(\S+)", line.decode()):
                    return found[1]
        raise AssertionError(f"the demo has not printed the address of {name}")

    async def post(self, path, body):
        """Status and JSON of a POST."""
        return await asyncio.to_thread(self.post_and_wait, path, body)

    def post_and_wait(self, path, body):
        request = urllib.request.Request(
            self.http + path, body.encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=STEP_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)

    async def login(self, account, password):
        return await self.post("/login", json.dumps({"account": account, "password": password}))

    def connect(self, path, authorization=None, **more):
        headers = {"Authorization": authorization} if authorization else {}
        return connect(self.ws + path, additional_headers=headers, max_size=16 * MEBIBYTE, **more)

    async def refusal(self, path, authorization=None, **more):
        """The answer to a handshake that must be refused."""
        try:
            async with self.connect(path, authorization, **more):
                raise AssertionError(f"{path} opened")
        except InvalidStatus as refused:
            return refused.response


async def closed(client):
    """The close code and reason that the server sends next."""
    try:
        raise AssertionError(f"expected a close frame, saw {await client.recv()!r}")
    except ConnectionClosed as end:
        check("who closes", end.rcvd is not None, True)
        return end.rcvd.code, end.rcvd.reason


async def login_gives_a_token(demo):
    status, body = await demo.login("jerry", "jerry-demo")
    check("login", (status, list(body)), (200, ["token"]))
    for account, password in [("jerry", "wrong"), ("nobody", "jerry-demo")]:
        status, body = await demo.login(account, password)
        check(f"login of {account}", (status, sorted(body)), (401, ["code", "msg"]))
    status, body = await demo.post("/login", "{")
    check("login with half a body", (status, sorted(body)), (400, ["code", "msg"]))


async def demo_greets_and_repeats(demo):
    for account, uid, scheme in [("jerry", 1, "Bearer "), ("lily", 2, "bearer "), ("lily", 2, "")]:
        _, body = await demo.login(account, f"{account}-demo")
        async with demo.connect("/wss/demo", scheme + body["token"]) as client:
            check("greeting", await client.recv(), "Authorization Success")
            await client.send("hello")
            check("first answer", await client.recv(), "Recv: hello")
            claims = json.loads(await client.recv())
            check("claims", (claims["data"], sorted(claims)), ({"uid": uid}, ["data", "exp", "iat"]))
            await client.send("nihao")
            check("nihao", await closed(client), (1000, f"{account} 已由服务端断开连接"))


async def demo_wants_a_token(demo):
    for authorization, code in [(None, 40101), ("Bearer nonsense", 40102), ("nonsense", 40102)]:
        refused = await demo.refusal("/wss/demo", authorization)
        body = json.loads(refused.body)
        check(f"token {authorization!r}", (refused.status_code, body["code"]), (401, code))


async def demo_takes_a_token_in_the_query(demo):
    for query, code in [("", 40101), ("?token=", 40101), ("?token=nonsense", 40102)]:
        refused = await demo.refusal("/wss/demo" + query)
        body = json.loads(refused.body)
        check(f"query {query!r}", (refused.status_code, body["code"]), (401, code))
    _, body = await demo.login("jerry", "jerry-demo")
    async with demo.connect(f"/wss/demo?token={body['token']}") as client:
        check("greeting by query", await client.recv(), "Authorization Success")


async def demo_takes_a_token_as_a_subprotocol(demo):
    _, body = await demo.login("jerry", "jerry-demo")
    token = base64.urlsafe_b64encode(body["token"].encode()).decode().rstrip("=")
    async with demo.connect("/wss/demo", subprotocols=["demo.v1", f"bearer.{token}"]) as client:
        check("the subprotocol that is chosen", client.subprotocol, "demo.v1")
        check("greeting by subprotocol", await client.recv(), "Authorization Success")
    refused = await demo.refusal("/wss/demo", subprotocols=["demo.v1", "bearer.bm9uc2Vuc2U"])
    check("a bad subprotocol", (refused.status_code, json.loads(refused.body)["code"]), (401, 40102))


async def pages_of_other_hosts_are_refused(demo):
    async with demo.connect("/wss/echo", origin=demo.http) as client:
        await client.send("hello")
        check("echo to the demo's own page", await client.recv(), "hello")
    refused = await demo.refusal("/wss/echo", origin="https://evil.example")
    check("another page", refused.status_code, 403)


async def late_opens_and_then_checks(demo):
    strangers = [
        ("", None, "no token"),
        ("?token=", None, "no token"),
        ("", "Bearer nonsense", "invalid"),
        ("?token=nonsense", None, "invalid"),
    ]
    for query, authorization, said in strangers:
        async with demo.connect("/wss/late" + query, authorization) as client:
            code, reason = await closed(client)
            check(f"late {query!r} {authorization!r}", (code, said in reason), (4401, True))
    _, body = await demo.login("jerry", "jerry-demo")
    for query, authorization in [("", f"Bearer {body['token']}"), (f"?token={body['token']}", None)]:
        async with demo.connect("/wss/late" + query, authorization) as client:
            check("late greeting", await client.recv(), "Authorization Success")
            await client.send("hello")
            check("late answer", await client.recv(), "Recv: hello")


async def unknown_route_is_described(demo):
    refused = await demo.refusal("/wss/nowhere")
    check("status of an unknown route", refused.status_code, 404)
    check("its description", refused.headers["Description"], "Route Error")
    check("its type", refused.headers["Content-Type"], "application/json")
    check("its body", refused.body, b"")


async def echo_returns_what_it_gets(demo):
    async with demo.connect("/wss/echo") as client:
        for message in ["", "hello", "世界 🌍", b"", os.urandom(MEBIBYTE), "x" * MEBIBYTE]:
            await client.send(message)
            check("echo is the same", await client.recv() == message, True)
        await client.send(["in ", "three ", "fragments"])
        check("echo of fragments", await client.recv(), "in three fragments")
        await asyncio.wait_for(await client.ping(), STEP_SECONDS)


async def rooms_reach_all_their_members(demo):
    _, body = await demo.login("jerry", "jerry-demo")
    bearer = f"Bearer {body['token']}"
    room = "/wss/rooms/lobby"
    async with demo.connect(room, bearer) as first, demo.connect(room, bearer) as second:

        async def event(client, name):
            while (event := json.loads(await client.recv()))["event"] != name:
                pass
            return event

        await event(second, "welcome")
        await first.send(json.dumps({"event": "say", "data": {"text": "hi"}, "ref": "r"}))
        mine, other = await event(first, "said"), await event(second, "said")
        check("the sender's ref", mine["ref"], "r")
        check("the event of the other members", (other["data"], "ref" in other), (mine["data"], False))
        await first.send(json.dumps({"event": "history", "ref": 1}))
        check("history", (await event(first, "history"))["data"], mine["data"])
        check("its end", (await event(first, "end"))["ref"], 1)
        for sent, code in [
            ({"event": "say", "data": {"text": ""}}, "empty"),
            ({"event": "say", "data": {}}, "invalid_data"),
            ({"event": "sing"}, "unknown_event"),
            ("no envelope", "bad_json"),
        ]:
            await first.send(json.dumps(sent) if isinstance(sent, dict) else sent)
            check(f"answer to {sent}", (await event(first, "error"))["data"]["code"], code)
        await second.close()
        check("left", (await event(first, "left"))["data"], {"account": "jerry"})


async def errors_end_what_they_should(demo):
    refused = await demo.refusal("/wss/errors?fail=teapot")
    check("teapot", (refused.status_code, json.loads(refused.body)["msg"]), (418, "I am a teapot"))
    refused = await demo.refusal("/wss/errors?fail=unknown")
    check("unknown", refused.status_code, 500)
    check("unknown keeps its detail", b"database" in refused.body, False)

    async with demo.connect("/wss/errors") as bystander, demo.connect("/wss/errors") as client:
        await client.send("boom")
        check("boom", json.loads(await client.recv())["data"]["code"], "boom")
        await client.send("still here")
        check("after boom", (await client.recv()).startswith("still here"), True)
        await client.send("panic")
        check("panic", (await closed(client))[0], 1011)
        await bystander.send("and me")
        check("after another one's panic", (await bystander.recv()).startswith("and me"), True)


async def sigterm_says_goodbye(demo):
    async with demo.connect("/wss/echo") as client:
        await client.send("hello")
        await client.recv()
        demo.process.send_signal(signal.SIGTERM)
        check("close code after SIGTERM", (await closed(client))[0], 1001)
    check("exit code after SIGTERM", await demo.process.wait(), 0)


async def open_door_closes_without_claims(demo):
    async with demo.connect("/wss/demo") as client:
        check("JWT_OPEN=false without a token", await closed(client), (1000, "非法请求"))


async def run(demo, steps):
    for step in steps:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await step(demo)
        except BaseException:
            print(f"FAILED  {step.__name__}", file=sys.stderr)
            raise
        print(f"ok      {step.__name__}")


async def main(binary):
    async with Demo(binary) as demo:
        await run(
            demo,
            [
                login_gives_a_token,
                demo_greets_and_repeats,
                demo_wants_a_token,
                demo_takes_a_token_in_the_query,
                demo_takes_a_token_as_a_subprotocol,
                pages_of_other_hosts_are_refused,
                late_opens_and_then_checks,
                unknown_route_is_described,
                echo_returns_what_it_gets,
                rooms_reach_all_their_members,
                errors_end_what_they_should,
                sigterm_says_goodbye,
            ],
        )
    async with Demo(binary, JWT_OPEN="false") as demo:
        await run(demo, [open_door_closes_without_claims])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1]))
    except (AssertionError, TimeoutError) as error:
        sys.exit(f"error: {error or 'a step took too long'}")
