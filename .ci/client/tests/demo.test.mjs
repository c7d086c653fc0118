// The client of the demo with the demo: a real server, which is killed, drained and restarted.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { CallLost, CallRefused, ConnectFailed, Room } from "../demo/client.js";
import { Demo, Log, Scripted, WebSocket, collect, rejected, statesOf, tokenOf, until } from "./support.mjs";

const LOBBY = { room: "lobby" };
const quick = { first: 10, longest: 200 };
const demos = new Set();
const rooms = new Set();

async function start() {
  const demo = await Demo.start();
  demos.add(demo);
  return demo;
}

async function enter(demo, account, options = {}, place = LOBBY) {
  const token = () => demo.login(account);
  const room = await Room.connect(place, { base: demo.ws, token, WebSocket, reconnect: quick, ...options });
  rooms.add(room);
  return room;
}

after(async () => {
  for (const room of rooms) room.close();
  for (const demo of demos) await demo.stop();
});

test("two clients talk", async () => {
  const demo = await start();
  const jerry = await enter(demo, "jerry");
  const [welcome, joined, lines, left] = ["welcome", "joined", "said", "left"].map((event) => jerry.events(event));
  assert.deepEqual((await welcome.next()).value, { room: "lobby", members: ["jerry"] });
  const lily = await enter(demo, "lily");
  assert.deepEqual((await joined.next()).value, { account: "lily" });
  assert.deepEqual(await lily.whoami(), { uid: 2, account: "lily" });
  assert.deepEqual(await jerry.who(), ["jerry", "lily"]);
  const said = await lily.say({ text: "hello" });
  assert.deepEqual(said, { id: 1, from: "lily", text: "hello" });
  assert.deepEqual((await lines.next()).value, said);
  const online = jerry.online();
  assert.deepEqual((await online.next()).value, ["jerry", "lily"]);
  const second = await jerry.say({ text: "bye" });
  assert.deepEqual(await collect(jerry.history()), [said, second]);
  assert.deepEqual(await collect(jerry.history({ limit: 1 })), [second]);
  lily.close();
  assert.deepEqual((await online.next()).value, ["jerry"]);
  assert.deepEqual((await left.next()).value, { account: "lily" });
});

test("refusals have the codes of the server", async () => {
  const room = await enter(await start(), "jerry");
  const empty = await rejected(room.say({ text: " " }));
  assert.ok(empty instanceof CallRefused && Room.refused("say", empty), empty);
  assert.deepEqual([empty.code, empty.message], ["empty", "write something"]);
  assert.equal((await rejected(room.say({ text: "x".repeat(501) }))).code, "too_long");
  const invalid = await rejected(room.say({ text: 7 }));
  assert.deepEqual([invalid.code, invalid.path], ["invalid_data", "text"]);
  assert.equal((await room.say({ text: "still open" })).text, "still open");
});

test("a handshake without a good token is refused", async () => {
  const demo = await start();
  for (const token of [undefined, () => "a.b.c", () => tokenOf(1, -60)]) {
    const error = await rejected(Room.connect(LOBBY, { base: demo.ws, token, WebSocket }));
    assert.ok(error instanceof ConnectFailed, error);
    assert.equal(error.code, 1006);
  }
});

test("MessagePack is never offered", async () => {
  const server = await Scripted.start();
  const room = await Room.connect(LOBBY, { base: server.base, WebSocket, token: () => "t" });
  assert.deepEqual(server.requests[0].protocols, ["demo.v1", "bearer.dA"]);
  room.close();
  await server.stop();
});

test("the client reconnects to a server that was killed and restarted", async () => {
  const demo = await start();
  const room = await enter(demo, "jerry");
  const states = statesOf(room);
  const welcome = room.events("welcome");
  await welcome.next();
  const online = room.online();
  await online.next();
  await demo.stop("SIGKILL");
  const lost = await states.next();
  assert.deepEqual([lost.name, lost.code], ["waiting", 1006]);
  await assert.rejects(online.next(), { name: "CallLost", why: "closed" });
  await assert.rejects(room.say({ text: "not sent" }), { why: "not_open", wasSent: false });
  const restarted = await demo.restart();
  demos.add(restarted);
  await until(room, "open");
  assert.deepEqual((await welcome.next()).value, { room: "lobby", members: ["jerry"] });
  assert.deepEqual((await room.say({ text: "back" })).text, "back");
});

test("a call that is pending when the server is killed is lost, and is not sent again", async () => {
  const demo = await start();
  const sent = [];
  const onFrame = (direction, text) => direction === "sent" && sent.push(text);
  const room = await enter(demo, "jerry", { onFrame });
  // A stopped process reads nothing, so the call stays without a reply.
  await demo.pause();
  const call = rejected(room.say({ text: "once" }));
  await demo.stop("SIGKILL");
  const error = await call;
  assert.ok(error instanceof CallLost, error);
  assert.deepEqual([error.why, error.wasSent], ["closed", true]);
  demos.add(await demo.restart());
  await until(room, "open");
  assert.deepEqual(await collect(room.history()), []);
  assert.equal(sent.filter((text) => text.includes("once")).length, 1);
});

test("a drained server closes with 1001, and the client reconnects", async () => {
  const demo = await start();
  const room = await enter(demo, "jerry");
  const states = statesOf(room);
  await demo.stop("SIGTERM");
  const drained = await states.next();
  assert.deepEqual([drained.name, drained.code], ["waiting", 1001]);
  demos.add(await demo.restart());
  await until(room, "open");
  assert.deepEqual(await room.who(), ["jerry"]);
});

test("a token that expires is replaced at once", async () => {
  const demo = await start();
  const tokens = [tokenOf(1, 2), tokenOf(1, 600)];
  const room = await enter(demo, "jerry", { token: () => tokens.shift(), reconnect: { first: 1e9, longest: 1e9 } });
  const states = statesOf(room);
  const expired = await states.next();
  assert.deepEqual([expired.name, expired.code, expired.delay], ["waiting", 4401, 0]);
  assert.equal((await states.next()).name, "connecting");
  assert.equal((await states.next()).name, "open");
  assert.deepEqual(await room.whoami(), { uid: 1, account: "jerry" });
  assert.equal(tokens.length, 0);
});

test("a user that is disconnected by the server stays disconnected", async () => {
  const demo = await start();
  const room = await enter(demo, "lily");
  const log = new Log();
  room.watch((state) => log.push(state));
  const headers = { Authorization: `Bearer ${await demo.login("admin")}` };
  await fetch(`${demo.http}/users/lily`, { method: "DELETE", headers });
  const { name, code } = await log.next();
  assert.deepEqual([name, code], ["closed", 4403]);
});
