// Judges the server with Chromium.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { Browser } from "./chromium.mjs";
import { Server } from "./peer.mjs";

const MESSAGES = 500;

let server;
let browser;
let http;
let page;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), Browser.start()]);
  // A page of the server's host may connect to it.
  http = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html>"));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  page = await browser.open(`http://127.0.0.1:${http.address().port}/`);
});

after(async () => {
  http?.close();
  await browser?.stop();
  await server?.stop();
});

for (const [route, extensions] of [
  ["per_message", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
  ["per_message/15/1000", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
  ["window", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"],
  ["window/9", "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"],
  ["window/15", "permessage-deflate; client_max_window_bits=15"],
  ["window/12/1000", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"],
  ["off", ""],
]) {
  test(`${MESSAGES} messages each way at ${route}`, async () => {
    const result = await page.run(`
      const socket = new WebSocket(${JSON.stringify(`${server.uri}/${route}`)});
      socket.binaryType = "arraybuffer";
      await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = () => reject(new Error("refused")); });
      const messages = Array.from({ length: ${MESSAGES} }, (_, number) => {
        const text = ("天地玄黃 " + number + " moved to " + number * 7919 % 1000 + "; ").repeat(number * number % 97);
        if (number % 100 === 99) return text.repeat(300);
        if (number % 7 === 3) return crypto.getRandomValues(new Uint8Array(number * 3)).buffer;
        return number % 5 === 2 ? new TextEncoder().encode(text).buffer : text;
      });
      const hex = (buffer) => new Uint8Array(buffer).reduce((all, byte) => all + byte.toString(16).padStart(2, "0"), "");
      const isSame = (one, other) => typeof one === typeof other && (typeof one === "string" ? one === other : hex(one) === hex(other));
      let count = 0;
      const closed = new Promise((resolve) => (socket.onclose = ({ code }) => resolve(code)));
      const all = new Promise((resolve) => {
        socket.onmessage = ({ data }) => {
          if (!isSame(data, messages[count])) resolve();
          else if (++count === messages.length) resolve();
        };
      });
      for (const message of messages) socket.send(message);
      await Promise.race([all, closed]);
      const { extensions } = socket;
      socket.close(1000);
      return { extensions, count, code: await closed };`);
    assert.deepEqual(result, { extensions, count: MESSAGES, code: 1000 });
  });
}
