// Servers for the tests: a scripted one, and the demo as a process of its own.

import { once } from "node:events";
import process from "node:process";

import { WebSocket as Package, WebSocketServer } from "ws";

export { Demo, tokenOf } from "../demo.mjs";

/** The longest wait for anything, in milliseconds. */
export const DEADLINE = 20_000;

/** The class under test: that of npm's `ws`, or the global one with `WS_CLIENT=global`. */
export const WebSocket = process.env.WS_CLIENT === "global" ? globalThis.WebSocket : Package;
if (!WebSocket) throw new Error("no global WebSocket");

/** A queue of values, each of which can be awaited. */
export class Log {
  #items = [];
  #readers = [];

  push(item) {
    const reader = this.#readers.shift();
    if (reader) reader(item);
    else this.#items.push(item);
  }

  async next() {
    if (this.#items.length > 0) return this.#items.shift();
    let deadline;
    const late = new Promise((_, reject) => {
      deadline = setTimeout(() => reject(new Error("no value in time")), DEADLINE);
    });
    const item = new Promise((resolve) => this.#readers.push(resolve));
    return Promise.race([item, late]).finally(() => clearTimeout(deadline));
  }

  get length() {
    return this.#items.length;
  }
}

/** Collects the states of a channel from now on. */
export function statesOf(channel) {
  const log = new Log();
  channel.watch((state) => log.push(state));
  return log;
}

/** Waits for a state of this name. */
export async function until(channel, name) {
  const states = statesOf(channel);
  let state = channel.state;
  while (state.name !== name) state = await states.next();
  return state;
}

/** Returns the error of a promise that must be rejected. */
export async function rejected(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was not rejected");
}

/** Returns all items of an iterator. */
export async function collect(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

/** A server that a test scripts. Each of its connections logs its messages. */
export class Scripted {
  connections = new Log();
  requests = [];
  #server;

  /** `accept` decides on a request; `script` may answer a message with a text. */
  static async start({ accept = () => true, script = () => undefined, port = 0 } = {}) {
    const scripted = new Scripted();
    const handleProtocols = (offered) => [...offered].find((name) => !name.startsWith("bearer.")) ?? false;
    const verifyClient = ({ req }) => {
      const protocols = req.headers["sec-websocket-protocol"]?.split(/, ?/) ?? [];
      scripted.requests.push({ url: req.url, protocols });
      return accept(scripted.requests.length);
    };
    const server = new WebSocketServer({ host: "127.0.0.1", port, handleProtocols, verifyClient });
    scripted.#server = server;
    server.on("connection", (socket) => {
      const messages = new Log();
      socket.on("message", (bytes) => {
        const message = JSON.parse(bytes);
        messages.push(message);
        for (const answer of [script(message)].flat()) if (answer !== undefined) send(socket, answer);
      });
      scripted.connections.push({ socket, messages, send: (message) => send(socket, message) });
    });
    await once(server, "listening");
    scripted.port = server.address().port;
    scripted.base = `ws://127.0.0.1:${scripted.port}`;
    return scripted;
  }

  async stop() {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function send(socket, message) {
  socket.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message));
}
