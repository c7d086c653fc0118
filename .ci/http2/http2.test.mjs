// WebSocket over HTTP/2 in Chromium, against the example `http2` as a process of its own. Its server
// greets each connection with the version of HTTP that it came by.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { Browser } from "../chromium.mjs";

/** Opens a WebSocket in the page; `next` waits for its next message. */
const OPEN = `
  const open = (path = "/ws") => new Promise((resolve, reject) => {
    const socket = new WebSocket(location.origin.replace("https", "wss") + path);
    const messages = [], waiting = [];
    socket.next = () => messages.length ? messages.shift() : new Promise((resolve) => waiting.push(resolve));
    socket.onmessage = ({ data }) => waiting.length ? waiting.shift()(data) : messages.push(data);
    socket.onopen = () => resolve(socket);
    socket.onclose = ({ code }) => reject(new Error("closed with " + code));
  });`;

let server, exited, url, browser;

before(async () => {
  server = spawn(process.env.WS_EXAMPLE, [], { stdio: ["ignore", "pipe", "inherit"] });
  exited = once(server, "exit");
  for await (const line of createInterface({ input: server.stdout })) {
    url = /https:\S+/.exec(line)[0];
    break;
  }
  browser = await Browser.start("--ignore-certificate-errors");
});

after(async () => {
  await browser?.stop();
  server?.kill("SIGKILL");
  await exited;
});

test("a WebSocket of a page uses the page's connection of HTTP/2", async () => {
  const page = await browser.open(url);
  const protocol = await page.run('return performance.getEntriesByType("navigation")[0].nextHopProtocol;');
  assert.equal(protocol, "h2");
  const greeting = await page.run(`${OPEN} return (await open()).next();`);
  assert.equal(greeting, "HTTP/2.0");
});

test("messages of all sizes pass, in order, on many sockets at once", async () => {
  const page = await browser.open(url);
  const wrong = await page.run(`${OPEN}
    const sockets = await Promise.all(Array.from({ length: 50 }, () => open()));
    const texts = [0, 1, 125, 126, 65_535, 65_536, 200_000].map((length) => "x".repeat(length));
    const wrong = [];
    await Promise.all(sockets.map(async (socket, at) => {
      if (await socket.next() !== "HTTP/2.0") wrong.push("version");
      for (const text of texts) socket.send(at + text);
      for (const text of texts) if (await socket.next() !== at + text) wrong.push(text.length);
    }));
    return wrong;`);
  assert.deepEqual(wrong, []);
});

test("a page closes a connection, and sees a clean end", async () => {
  const page = await browser.open(url);
  const closed = await page.run(`${OPEN}
    const socket = await open();
    return new Promise((resolve) => {
      socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
      socket.close(4000, "enough");
    });`);
  assert.deepEqual(closed, { code: 4000, wasClean: true });
});

test("a refused handshake fails, and the next one is accepted", async () => {
  const page = await browser.open(url);
  const outcome = await page.run(`${OPEN}
    const refused = await open("/nowhere").then(() => "open", (error) => error.message);
    return [refused, await (await open()).next()];`);
  assert.deepEqual(outcome, ["closed with 1006", "HTTP/2.0"]);
});

test("the drain of the server is a close frame with 1001", async () => {
  const page = await browser.open(url);
  const closed = page.run(`${OPEN}
    const socket = await open();
    document.title = await socket.next();
    return new Promise((resolve) => (socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean })));`);
  await page.until('document.title === "HTTP/2.0"');
  server.kill("SIGINT");
  assert.deepEqual(await closed, { code: 1001, wasClean: true });
});
