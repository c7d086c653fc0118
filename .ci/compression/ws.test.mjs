// Judges the peer with `ws` of npm, which uses the zlib of Node, as client and as server.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { WebSocket, WebSocketServer } from "ws";

import { DEADLINE, Server, talk } from "./peer.mjs";

const SENTENCES = [
  "天地玄黃宇宙洪荒日月盈昃辰宿列張，",
  "いろはにほへとちりぬるを。",
  "The quick brown fox jumps over the lazy dog. ",
];
// The messages of the peer's client: see tests/compression/messages.rs.
const MESSAGES = 236;

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** Text of about this many characters, which becomes smaller. */
function text(length) {
  let text = "";
  for (let number = length; text.length < length; number = (number * 31 + 7) % 1009) {
    text += SENTENCES[number % SENTENCES.length] + number;
  }
  return text.slice(0, length);
}

/** The messages of one connection. */
function* messages() {
  for (const length of [0, 1, 125, 126, 5000, 65_535, 65_536, 300_000]) {
    yield text(length);
    yield Buffer.from(text(length));
    yield randomBytes(length);
  }
  yield text(700_000); // 2 MiB and less
  yield Buffer.from(text(700_000)).subarray(0, 2 << 20);
  // Similar messages in a row, on both sides of the thresholds.
  for (let number = 0; number < 200; number++) {
    yield [text(number * 17), `{"x":${number},"y":${number * 7}}`, randomBytes(number), ""][number % 4];
  }
}

const lengthOf = (data) => Buffer.byteLength(data);

/** Sends a message; in frames of `size` bytes, with pings between them, if `size` is given. */
function send(socket, data, size) {
  const binary = typeof data !== "string";
  if (!size) return socket.send(data, { binary });
  const bytes = Buffer.from(data);
  for (let start = 0; start === 0 || start < bytes.length; start += size) {
    const fin = start + size >= bytes.length;
    socket.send(bytes.subarray(start, start + size), { binary, fin, compress: true });
    if (!fin) socket.ping(String(start));
  }
}

/** Sends messages while the echoes are received, and compares them. */
async function exchange(socket, list, size) {
  const pings = { sent: 0, answered: 0 };
  socket.on("pong", () => pings.answered++);
  const ping = socket.ping;
  socket.ping = (...rest) => (pings.sent++, ping.apply(socket, rest));
  let at = 0;
  const received = new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", (code) => reject(new Error(`closed with ${code} at message ${at}`)));
    socket.on("message", (data, isBinary) => {
      const expected = list[at++];
      const isSame = isBinary === (typeof expected !== "string") && Buffer.from(expected).equals(data);
      if (!isSame) reject(new Error(`message ${at} of ${lengthOf(expected)} bytes has changed`));
      if (at === list.length) resolve();
    });
  });
  for (const message of list) send(socket, message, size);
  await received;
  assert.equal(pings.answered, pings.sent, "pongs");
}

async function connect(route, perMessageDeflate) {
  const socket = new WebSocket(`${server.uri}/${route}`, { perMessageDeflate });
  socket.on("upgrade", ({ headers }) => (socket.answer = headers["sec-websocket-extensions"] ?? ""));
  await once(socket, "open");
  socket.transport = socket._socket;
  return socket;
}

async function close(socket) {
  socket.removeAllListeners("close");
  const closed = once(socket, "close");
  socket.close(1000);
  const [code] = await closed;
  assert.equal(code, 1000);
}

const NONE = "server_no_context_takeover; client_no_context_takeover";

for (const [route, options, parameters] of [
  ["per_message", {}, NONE],
  ["per_message", { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 }, `${NONE}; server_max_window_bits=9`],
  ["per_message/15/1000", {}, NONE],
  ["window", { threshold: 0 }, "server_max_window_bits=12; client_max_window_bits=12"],
  [
    "window",
    { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
    "server_max_window_bits=9; client_max_window_bits=10",
  ],
  // Node compresses with 9 bits then, but refers back less than 256 bytes.
  ["window", { threshold: 0, clientMaxWindowBits: 8 }, "server_max_window_bits=12; client_max_window_bits=8"],
  ["window", { clientMaxWindowBits: false }, "client_no_context_takeover; server_max_window_bits=12"],
  [
    "window",
    { threshold: 0, serverNoContextTakeover: true },
    "server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12",
  ],
  [
    "window/9",
    { threshold: 0, clientNoContextTakeover: true },
    "client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",
  ],
  ["window/15", { threshold: 0 }, "client_max_window_bits=15"],
  ["window/15", { threshold: 0, zlibDeflateOptions: { level: 9, memLevel: 9 } }, "client_max_window_bits=15"],
  ["window/15", { threshold: 0, zlibDeflateOptions: { level: 0 } }, "client_max_window_bits=15"],
  ["window/12/1000", {}, "server_max_window_bits=12; client_max_window_bits=12"],
]) {
  test(`the server ${route} with a client of ${JSON.stringify(options)}`, { timeout: DEADLINE }, async () => {
    const socket = await connect(route, options);
    assert.equal(socket.answer, `permessage-deflate; ${parameters}`);
    const list = [...messages()];
    await exchange(socket, list);
    await close(socket);
    const plain = list.reduce((sum, message) => sum + lengthOf(message), 0);
    const { bytesRead, bytesWritten } = socket.transport;
    assert.ok(bytesRead < plain * 0.5, `${bytesRead} of ${plain} bytes were received`);
    const isStored = options.zlibDeflateOptions?.level === 0;
    assert.ok(isStored || bytesWritten < plain * 0.5, `${bytesWritten} of ${plain} bytes were sent`);
  });

  test(`the same in frames, with pings between them: ${route} ${JSON.stringify(options)}`, { timeout: DEADLINE }, async () => {
    const socket = await connect(route, options);
    await exchange(socket, [...messages()].filter((_, index) => index < 27), 30_000);
    await close(socket);
    const small = await connect(route, options);
    await exchange(small, [...messages()].filter((_, index) => index >= 27), 100);
    await close(small);
  });
}

for (const [route, options] of [
  ["window", { serverMaxWindowBits: 8 }],
  ["per_message", { serverMaxWindowBits: 8 }],
  ["window", false],
  ["off", {}],
]) {
  test(`no compression at ${route} with a client of ${JSON.stringify(options)}`, { timeout: DEADLINE }, async () => {
    const socket = await connect(route, options);
    assert.equal(socket.answer, "");
    await exchange(socket, [...messages()].slice(27));
    await close(socket);
  });
}

for (const [compression, options, size, parameters] of [
  ["per_message", {}, 0, NONE],
  ["per_message", { threshold: 0, serverMaxWindowBits: 10 }, 20_000, `${NONE}; server_max_window_bits=10`],
  ["per_message/15/1000", {}, 0, NONE],
  ["window", { threshold: 0 }, 0, "server_max_window_bits=12"],
  ["window", { threshold: 0, clientMaxWindowBits: 9 }, 20_000, "server_max_window_bits=12; client_max_window_bits=9"],
  // The client does not compress then.
  ["window", { threshold: 0, clientMaxWindowBits: 8 }, 0, "server_max_window_bits=12; client_max_window_bits=8"],
  ["window", { serverNoContextTakeover: true }, 0, "server_no_context_takeover; server_max_window_bits=12"],
  ["window/9", { clientNoContextTakeover: true }, 0, "client_no_context_takeover; server_max_window_bits=9"],
  ["window/15", { threshold: 0, serverMaxWindowBits: 11, clientMaxWindowBits: 15 }, 3000, "server_max_window_bits=11; client_max_window_bits=15"],
  ["window/12/1000", { threshold: 0 }, 0, "server_max_window_bits=12"],
]) {
  test(`the client ${compression} with a server of ${JSON.stringify(options)}`, { timeout: DEADLINE }, async () => {
    const listening = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: options });
    await once(listening, "listening");
    listening.on("connection", (socket) => {
      socket.on("message", (data, isBinary) => send(socket, isBinary ? data : data.toString(), size));
    });
    try {
      const output = await talk(`ws://127.0.0.1:${listening.address().port}`, compression);
      const [count, extension] = output.split(" messages; permessage-deflate; ");
      assert.equal(count, String(MESSAGES), output);
      assert.deepEqual(extension.split("; ").sort(), parameters.split("; ").sort());
    } finally {
      listening.close();
    }
  });
}
