// The client of the fixture with a scripted server, for cases that a real server does not produce
// on demand.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, mock, test } from "node:test";

import {
  AskRefused,
  CallLost,
  CallRefused,
  ConnectFailed,
  Lobby,
  Names,
  Overflow,
  Room,
  TablesSeats,
} from "../fixture/client.js";
import { Log, Scripted, WebSocket, collect, rejected, statesOf, until } from "./support.mjs";

const PLACE = { room: "lobby", seat: 1 };
const channels = new Set();
const servers = new Set();

/** Starts a server, and options for it. Reconnects are quick by default. */
async function serve(script, options = {}) {
  const server = await Scripted.start(typeof script === "function" ? { script } : script);
  servers.add(server);
  return { server, options: { base: server.base, WebSocket, reconnect: { first: 1, longest: 20 }, ...options } };
}

/** Starts a server, and connects to it. */
async function connected(script, options) {
  const served = await serve(script, options);
  const room = await Room.connect(PLACE, served.options);
  channels.add(room);
  const connection = await served.server.connections.next();
  return { ...served, room, connection };
}

function opened(options) {
  const room = Room.open(PLACE, options);
  channels.add(room);
  return room;
}

after(async () => {
  for (const channel of channels) channel.close();
  for (const server of servers) await server.stop();
});

// ---- The handshake ------------------------------------------------------------------------------

test("the handshake has the path, the query, the subprotocols and the token", async () => {
  const { server, options } = await serve();
  const query = { lang: null, tags: ["a b", "c&d"] };
  const place = { room: "a/ü?#", seat: 7 };
  const room = await Room.connect(place, { ...options, base: `${server.base}/api/`, query, token: () => "tökèn" });
  assert.deepEqual(server.requests, [
    {
      url: "/api/rooms/a%2F%C3%BC%3F%23/seats/7?tags=a+b&tags=c%26d",
      protocols: ["chat.v2", "chat.v1", `bearer.${Buffer.from("tökèn").toString("base64url")}`],
    },
  ]);
  room.close();
  const lobby = await Lobby.connect({ ...options, base: server.base.replace("ws:", "http:") });
  assert.deepEqual(server.requests[1], { url: "/lobby", protocols: [] });
  lobby.close();
});

test("the subprotocols can be chosen, and a token needs one beside it", async () => {
  const { server, options } = await serve();
  const room = await Room.connect(PLACE, { ...options, protocols: ["chat.v1"], token: async () => undefined });
  room.close();
  assert.deepEqual(server.requests[0].protocols, ["chat.v1"]);
  const lobby = await Lobby.connect({ ...options, protocols: ["v1"], token: async () => "a" });
  lobby.close();
  assert.deepEqual(server.requests[1].protocols, ["v1", "bearer.YQ"]);
  assert.throws(() => Lobby.open({ ...options, token: () => "a" }), /no place for a token/);
});

test("a token that is accepted only in the query goes there, and the rest of a path has segments", async () => {
  const { server, options } = await serve();
  const place = { table: "2", side: "left", rest: "a b/c" };
  const query = { page: 1, table: 2 };
  const tables = await TablesSeats.connect(place, { ...options, query, token: () => "t&" });
  tables.close();
  const url = "/tables/2/left/a%20b/c?page=1&table=2&access%2Ftoken=t%26";
  assert.deepEqual(server.requests, [{ url, protocols: [] }]);
});

test("an event that cannot be a method is called by name", async () => {
  const { options } = await serve(({ event, data, ref }) => ({ event: `${event}!`, data: { event, data }, ref }));
  const names = await Names.connect(options);
  const said = await names.call("names/say it", { $ref: "a" });
  assert.deepEqual(said, { event: "names/say it", data: { $ref: "a" } });
  names.close();
});

test("a path parameter cannot name another path", async () => {
  for (const room of ["", ".", "..", undefined]) {
    assert.throws(() => Room.open({ room, seat: 1 }, { base: "ws://127.0.0.1:9", WebSocket }), TypeError);
  }
});

test("the first message is not missed after connect", async () => {
  // The 101 and a message in one packet.
  const welcome = '{"event":"welcome","data":{"room":"lobby"}}';
  let peer;
  const server = createServer((socket) => {
    peer = socket.on("error", () => {});
    socket.once("data", (head) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(head)[1];
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
      lines.push(`Sec-WebSocket-Accept: ${accept}`, "Sec-WebSocket-Protocol: chat.v2", "", "");
      const frame = Buffer.concat([Buffer.from([0x81, welcome.length]), Buffer.from(welcome)]);
      socket.write(Buffer.concat([Buffer.from(lines.join("\r\n")), frame]));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `ws://127.0.0.1:${server.address().port}`;
  const room = await Room.connect(PLACE, { base, WebSocket, reconnect: false });
  const { value } = await room.events("welcome").next();
  assert.deepEqual(value, { room: "lobby" });
  room.close();
  peer.destroy();
  server.close();
});

test("connect fails with its first attempt, open repeats it", async () => {
  const { server, options } = await serve({ accept: (attempt) => attempt > 3 });
  const error = await rejected(Room.connect(PLACE, options));
  assert.ok(error instanceof ConnectFailed, error);
  assert.equal(error.code, 1006);
  const room = opened(options);
  const { attempt } = room.state;
  assert.equal(attempt, 1);
  await until(room, "open");
  assert.equal(server.requests.length, 4);
});

test("a token function that fails is a failed attempt, and is called before each attempt", async () => {
  const { server, options } = await serve();
  const cause = new Error("no session");
  const error = await rejected(Room.connect(PLACE, { ...options, token: () => Promise.reject(cause) }));
  assert.ok(error instanceof ConnectFailed && error.cause === cause, error);
  let asked = 0;
  const token = () => {
    asked += 1;
    if (asked < 3) throw cause;
    return `t${asked}`;
  };
  const room = opened({ ...options, token });
  const { cause: shown } = await until(room, "waiting");
  assert.equal(shown, cause);
  await until(room, "open");
  const { socket } = await server.connections.next();
  socket.terminate();
  await until(room, "waiting");
  await until(room, "open");
  const tokens = server.requests.map(({ protocols }) => protocols.at(-1).slice("bearer.".length));
  assert.deepEqual(tokens.map((token) => Buffer.from(token, "base64url").toString()), ["t3", "t4"]);
});

test("an attempt has a deadline", async () => {
  const server = createServer((socket) => socket.on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `ws://127.0.0.1:${server.address().port}`;
  const error = await rejected(Room.connect(PLACE, { base, WebSocket, timeout: 50 }));
  assert.match(error.message, /no connection within 50 ms/);
  const forever = { base, WebSocket, timeout: 50, token: () => new Promise(() => {}) };
  assert.match((await rejected(Room.connect(PLACE, forever))).message, /no connection within 50 ms/);
  server.close();
});

// ---- Calls --------------------------------------------------------------------------------------

const said = (text) => ({ id: 1, from: { accountName: "ann", roles: [] }, text, reply_to: null });

test("replies belong to the call of their ref, in any order", async () => {
  const { room, connection } = await connected();
  const calls = [room.say({ text: "a" }), room.find("b"), room.find("c"), room.typing(), room.who()];
  const refs = [];
  for (const _ of calls) refs.push((await connection.messages.next()).ref);
  assert.equal(new Set(refs).size, calls.length);
  const [say, found, missing, typing, who] = refs;
  connection.send({ event: "who", data: ["ann"], ref: who });
  connection.send({ event: "end", data: { event: "typing" }, ref: typing });
  connection.send({ event: "end", data: { event: "find" }, ref: missing });
  connection.send({ event: "find", data: 7, ref: found });
  connection.send({ event: "said", data: said("a"), ref: say });
  assert.deepEqual(await Promise.all(calls), [said("a"), 7, undefined, undefined, ["ann"]]);
});

test("an event without data is sent without data", async () => {
  const { room, connection } = await connected(({ event, ref }) => ({ event, data: [], ref }));
  await room.who({ timeout: 5000 });
  await room.call("who", { timeout: 5000 });
  const expected = (ref) => ({ event: "who", ref });
  assert.deepEqual([await connection.messages.next(), await connection.messages.next()], [expected("1"), expected("2")]);
});

test("a refusal has its code, its path and its fields", async () => {
  const data = { code: "too_long", message: "it is too long", path: "text", fields: { text: ["long"] } };
  const { room } = await connected(({ ref }) => ({ event: "error", data, ref }));
  const error = await rejected(room.say({ text: "x" }));
  assert.ok(error instanceof CallRefused);
  const { event, code, message, path, fields } = error;
  assert.deepEqual({ event, code, message, path, fields }, { event: "say", ...data });
  assert.equal(Room.refused("say", error), true);
  assert.equal(Room.refused("who", error), false);
  assert.equal(Room.refused("say", new Error("another")), false);
  await assert.rejects(collect(room.history({})), { name: "CallRefused", event: "history", code: "too_long" });
});

test("a call that ends without its reply is lost", async () => {
  const { room } = await connected(({ event, ref }) => ({ event: "end", data: { event }, ref }));
  await assert.rejects(room.say({ text: "x" }), { name: "CallLost", why: "no_reply", wasSent: true });
});

test("a late reply is dropped", async () => {
  const { room, connection, unknown } = await withUnknown();
  const listener = mock.fn();
  room.on("said", listener);
  await assert.rejects(room.say({ text: "x" }, { timeout: 10 }), { why: "timeout", wasSent: true });
  const { ref } = await connection.messages.next();
  connection.send({ event: "said", data: said("late"), ref });
  connection.send({ event: "said", data: said("now") });
  connection.send({ event: "mark" });
  assert.deepEqual(await unknown.next(), ["mark", undefined]);
  assert.deepEqual(listener.mock.calls.map(({ arguments: [{ text }] }) => text), ["now"]);
});

test("a signal aborts a call", async () => {
  const { room, connection } = await connected();
  const reason = new Error("the user left");
  await assert.rejects(room.who({ signal: AbortSignal.abort(reason) }), { why: "aborted", wasSent: false, cause: reason });
  const abort = new AbortController();
  const call = rejected(room.who({ signal: abort.signal }));
  const stream = rejected(collect(room.history({}, { signal: abort.signal })));
  await connection.messages.next();
  abort.abort(reason);
  for (const error of [await call, await stream]) {
    assert.deepEqual([error.name, error.why, error.wasSent, error.cause], ["CallLost", "aborted", true, reason]);
  }
});

test("a stream gives its items, and ends", async () => {
  const items = [1, 2, 3].map((id) => ({ ...said("x"), id }));
  const script = ({ ref }) => [...items.map((data) => ({ event: "history", data, ref })), { event: "end", data: null, ref }];
  const { room } = await connected(script);
  assert.deepEqual(await collect(room.history({ limit: 3 })), items);
  for await (const { id } of room.history({})) if (id === 2) break;
  assert.deepEqual(await collect(room.call("history", {})), items);
  // The deadline applies to each item.
  await assert.rejects(collect((await connected()).room.history({}, { timeout: 10 })), { why: "timeout" });
});

test("pending calls have a limit", async () => {
  const { room, connection } = await connected();
  const calls = Array.from({ length: 256 }, () => rejected(room.who()));
  await assert.rejects(room.who(), { name: "CallLost", why: "busy", wasSent: false });
  for (let count = 0; count < 256; count += 1) await connection.messages.next();
  connection.socket.terminate();
  for (const error of await Promise.all(calls)) assert.equal(error.why, "closed");
});

test("data that is not JSON fails only its call", async () => {
  const { room } = await connected(({ event, ref }) => ({ event, data: [], ref }));
  await assert.rejects(room.find(1n), TypeError);
  await assert.rejects(collect(room.history({ limit: 1n })), TypeError);
  assert.throws(() => room.call("shout"), TypeError);
  assert.deepEqual(await room.who(), []);
});

test("a call is lost with its connection, and is not sent again", async () => {
  const { room, server, connection } = await connected();
  const states = statesOf(room);
  const call = rejected(room.say({ text: "once" }));
  const stream = rejected(collect(room.history({})));
  await connection.messages.next();
  await connection.messages.next();
  connection.socket.terminate();
  for (const error of [await call, await stream]) {
    assert.ok(error instanceof CallLost);
    assert.deepEqual([error.why, error.wasSent], ["closed", true]);
  }
  assert.equal((await states.next()).name, "waiting");
  await assert.rejects(room.say({ text: "never" }), { why: "not_open", wasSent: false });
  await until(room, "open");
  const next = await server.connections.next();
  const who = rejected(room.who({ timeout: 10 }));
  assert.equal((await next.messages.next()).event, "who");
  assert.equal(next.messages.length, 0);
  await who;
});

// ---- Events and asks ----------------------------------------------------------------------------

async function withUnknown() {
  const unknown = new Log();
  const others = await connected(() => undefined, { onUnknown: (event, data) => unknown.push([event, data]) });
  return { ...others, unknown };
}

test("events outside of the contract go to onUnknown", async () => {
  const { room, connection, unknown } = await withUnknown();
  connection.send({ event: "new", data: 1 });
  connection.send("garbage");
  connection.send("[]");
  connection.send('{"event":1}');
  connection.send({ event: "error", data: { code: "bad_json", message: "no" } });
  assert.deepEqual(await unknown.next(), ["new", 1]);
  assert.deepEqual(await unknown.next(), [undefined, "garbage"]);
  assert.deepEqual(await unknown.next(), [undefined, "[]"]);
  assert.deepEqual(await unknown.next(), [undefined, '{"event":1}']);
  assert.deepEqual(await unknown.next(), ["error", { code: "bad_json", message: "no" }]);
  connection.send(Buffer.from([1, 2]));
  assert.equal((await unknown.next())[0], undefined);
  connection.send({ event: "joined", data: { account: "ann" } });
  connection.send({ event: "pong", data: null });
  room.on("new", (data) => unknown.push(["listened", data]));
  connection.send({ event: "new", data: 2 });
  assert.deepEqual(await unknown.next(), ["listened", 2]);
});

test("a listener is called until it is stopped", async () => {
  const { room, connection } = await connected();
  const log = new Log();
  const listener = ({ account }) => log.push(account);
  const stop = room.on("joined", listener);
  room.on("joined", listener);
  connection.send({ event: "joined", data: { account: "a" } });
  assert.deepEqual([await log.next(), await log.next()], ["a", "a"]);
  stop();
  connection.send({ event: "joined", data: { account: "b" } });
  const after = room.events("joined");
  connection.send({ event: "joined", data: { account: "c" } });
  assert.deepEqual([await log.next(), await log.next()], ["b", "c"]);
  assert.equal((await after.next()).value.account, "b");
});

test("an iterator collects events over several connections, until the channel is closed", async () => {
  const { room, server, connection } = await connected();
  const joined = room.events("joined");
  connection.send({ event: "joined", data: { account: "a" } });
  assert.equal((await joined.next()).value.account, "a");
  connection.socket.terminate();
  await until(room, "waiting");
  await until(room, "open");
  const pending = joined.next();
  (await server.connections.next()).send({ event: "joined", data: { account: "b" } });
  assert.equal((await pending).value.account, "b");
  const last = joined.next();
  room.close();
  assert.deepEqual(await last, { value: undefined, done: true });
  assert.deepEqual(await collect(room.events("joined")), []);
});

test("an iterator that is not read overflows", async () => {
  const { room, connection, unknown } = await withUnknown();
  const joined = room.events("joined");
  const history = room.history({});
  const { ref } = await connection.messages.next();
  for (let count = 0; count <= 1024; count += 1) {
    connection.send({ event: "joined", data: count });
    connection.send({ event: "history", data: count, ref });
  }
  connection.send({ event: "mark" });
  await unknown.next();
  for (const iterator of [joined, history]) {
    for (let count = 0; count < 1024; count += 1) assert.equal((await iterator.next()).value, count);
    const error = await rejected(iterator.next());
    assert.ok(error instanceof Overflow, error);
    assert.equal((await iterator.next()).done, true);
  }
});

test("an ask is answered, or refused", async () => {
  const { room, connection } = await connected();
  const ask = async (amount, ref, event = "confirm") => {
    connection.send({ event, data: { amount }, ref });
    return connection.messages.next();
  };
  const refusal = (code, message, ref) => ({ event: "error", data: { code, message }, ref });
  assert.deepEqual(await ask(1, "ask:1"), refusal("unknown_event", "the client does not answer `confirm`", "ask:1"));
  const stop = room.answer("confirm", async ({ amount }) => {
    if (amount > 1000) throw new AskRefused("too_much", "not today");
    return amount < 100;
  });
  assert.deepEqual(await ask(12, "ask:2"), { event: "confirm", data: true, ref: "ask:2" });
  assert.deepEqual(await ask(120, "ask:3"), { event: "confirm", data: false, ref: "ask:3" });
  assert.deepEqual(await ask(1200, "ask:4"), refusal("too_much", "not today", "ask:4"));
  assert.equal((await ask(1, "ask:5", "other")).data.code, "unknown_event");
  stop();
  assert.equal((await ask(1, "ask:6")).data.code, "unknown_event");
});

test("an answer that comes after its connection is not sent on the next one", async () => {
  const { room, server, connection } = await connected(undefined, { idle: 0 });
  const asked = new Log();
  room.answer("confirm", () => new Promise((resolve) => asked.push(resolve)));
  connection.send({ event: "confirm", data: { amount: 1 }, ref: "ask:1" });
  const resolve = await asked.next();
  connection.socket.terminate();
  await until(room, "waiting");
  await until(room, "open");
  const { messages } = await server.connections.next();
  resolve(true);
  await new Promise(setImmediate);
  const who = rejected(room.who({ timeout: 10 }));
  assert.equal((await messages.next()).event, "who");
  await who;
});

test("onFrame gets the text of each frame", async () => {
  const frames = [];
  const onFrame = (direction, text) => frames.push([direction, text]);
  const { room } = await connected(({ event, ref }) => ({ event, data: ["ann"], ref }), { onFrame });
  await room.who();
  assert.deepEqual(frames, [
    ["sent", '{"event":"who","ref":"1"}'],
    ["received", '{"event":"who","data":["ann"],"ref":"1"}'],
  ]);
});

// ---- Reconnecting -------------------------------------------------------------------------------

test("1000 and 4403 are final, other codes are not", async () => {
  for (const [code, expected] of [
    [1000, "closed"],
    [4403, "closed"],
    [1001, "waiting"],
    [1008, "waiting"],
    [1011, "waiting"],
    [1013, "waiting"],
    [4000, "waiting"],
    [4401, "waiting"],
  ]) {
    const { room, connection } = await connected();
    const states = statesOf(room);
    connection.socket.close(code, "because");
    const { name, code: seen, reason } = await states.next();
    assert.deepEqual([name, seen, reason], [expected, code, "because"]);
    room.close();
  }
});

test("the delays double up to the longest, each a random part", async (context) => {
  const { options } = await serve({ accept: () => false }, { reconnect: { first: 4, longest: 20 } });
  let random = 1;
  context.mock.method(Math, "random", () => random);
  const room = opened(options);
  const states = statesOf(room);
  const delays = [];
  while (delays.length < 6) {
    const state = await states.next();
    if (state.name === "waiting") delays.push(state.delay);
    if (delays.length === 4) random = 0.25;
  }
  assert.deepEqual(delays, [4, 8, 16, 20, 5, 5]);
  room.close();
});

test("after 4401 one attempt is made at once, then the delays begin", async (context) => {
  context.mock.method(Math, "random", () => 1);
  const { server, options } = await serve(undefined, { reconnect: { first: 3, longest: 20 } });
  const room = opened({ ...options, token: () => "t" });
  const states = statesOf(room);
  const delays = [];
  for (let count = 0; count < 3; count += 1) {
    (await server.connections.next()).socket.close(4401);
    let state = await states.next();
    while (state.name !== "waiting") state = await states.next();
    delays.push(state.delay);
  }
  assert.deepEqual(delays, [0, 3, 6]);
  room.close();
});

test("a connection that stayed open for long enough resets the delays", async (context) => {
  context.mock.method(Math, "random", () => 1);
  const script = ({ event, ref }) => ({ event, data: [], ref });
  for (const [stable, expected] of [[0, [2, 2, 2]], [60_000, [2, 4, 8]]]) {
    const { room, server, connection } = await connected(script, { reconnect: { first: 2, longest: 20, stable } });
    let { socket } = connection;
    const delays = [];
    for (let count = 0; count < 3; count += 1) {
      // Timers end in the order of their times, so one of 0 ms has ended then.
      await new Promise((resolve) => setTimeout(resolve, 5));
      socket.terminate();
      delays.push((await until(room, "waiting")).delay);
      await until(room, "open");
      ({ socket } = await server.connections.next());
    }
    assert.deepEqual(delays, expected);
    room.close();
  }
});

test("retryNow does not wait", async () => {
  const { room, server, connection } = await connected(undefined, { reconnect: { first: 1e9, longest: 1e9 } });
  room.retryNow();
  assert.equal(room.state.name, "open");
  connection.socket.close(1012);
  await until(room, "waiting");
  room.retryNow();
  assert.equal(room.state.name, "connecting");
  await until(room, "open");
  await server.connections.next();
});

test("without reconnect the channel closes at the first loss", async () => {
  const { room, connection } = await connected(undefined, { reconnect: false });
  connection.socket.close(1012, "restart");
  const { code, reason } = await until(room, "closed");
  assert.deepEqual([code, reason], [1012, "restart"]);
  room.retryNow();
  assert.equal(room.state.name, "closed");
});

test("a silent server gets a ping, and then the connection is dropped", async () => {
  const { room, server, connection } = await connected(undefined, { idle: 20 });
  const states = statesOf(room);
  assert.deepEqual(await connection.messages.next(), { event: "ping" });
  const { name, code, reason } = await states.next();
  assert.deepEqual([name, code, reason], ["waiting", 1006, "the server is silent"]);
  await server.connections.next();
});

test("a server that answers the ping is kept", async () => {
  const pong = ({ event }) => (event === "ping" ? { event: "pong", data: null } : undefined);
  const { room, connection } = await connected(pong, { idle: 100 });
  for (let count = 0; count < 3; count += 1) {
    assert.deepEqual(await connection.messages.next(), { event: "ping" });
  }
  assert.equal(room.state.name, "open");
  room.close();
});

test("close is final, and sends a close frame", async () => {
  const { room, server, connection } = await connected();
  const states = statesOf(room);
  const call = rejected(room.who());
  assert.throws(() => room.close(1001), RangeError);
  assert.throws(() => room.close(1000, "é".repeat(62)), RangeError);
  assert.equal(room.state.name, "open");
  room.close(4001, "bye");
  assert.deepEqual(room.state, { name: "closed", code: 4001, reason: "bye" });
  assert.equal((await call).why, "closed");
  const [code, reason] = await once(connection.socket, "close");
  assert.deepEqual([code, String(reason)], [4001, "bye"]);
  room.close();
  assert.equal((await states.next()).name, "closed");
  assert.deepEqual([states.length, server.requests.length], [0, 1]);
  await assert.rejects(room.who(), { why: "not_open" });
});

test("close while waiting ends the attempts", async () => {
  const { options } = await serve({ accept: () => false }, { reconnect: { first: 1e9, longest: 1e9 } });
  const room = opened(options);
  await until(room, "waiting");
  room.close();
  assert.deepEqual(room.state, { name: "closed", code: 1000, reason: "" });
});
