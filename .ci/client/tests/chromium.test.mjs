// The client of the demo in Chromium: a page loads `client.js` unchanged.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, test } from "node:test";

import { Browser } from "../chromium.mjs";
import { Demo, tokenOf } from "./support.mjs";

const PAGE = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>';
const SCRIPT = 'import * as client from "./client.js"; Object.assign(window, { client, Room: client.Room });';
const CLIENT = new URL("../demo/client.js", import.meta.url);
const closers = [];

after(async () => {
  for (const close of closers.reverse()) await close();
});

/** A server of the page, with a policy that forbids `eval`. */
async function serve() {
  const files = { "/": PAGE, "/page.js": SCRIPT, "/client.js": await readFile(CLIENT) };
  const policy = "default-src 'none'; script-src 'self'; connect-src ws:; img-src data:";
  const server = createServer((request, response) => {
    response.setHeader("Content-Type", request.url === "/" ? "text/html" : "text/javascript");
    response.setHeader("Content-Security-Policy", policy);
    response.end(files[request.url]);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close() && server.closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}

test("a page connects, calls, and survives a restart of the server", async () => {
  const demo = await Demo.start();
  closers.push(() => demo.stop());
  const browser = await Browser.start();
  closers.push(() => browser.stop());
  const page = await browser.open(await serve());
  const options = (token) => JSON.stringify({ base: demo.ws, reconnect: { first: 10, longest: 200 }, token });
  const connect = (token) => `
    const { token, ...options } = ${options(token)};
    const room = await Room.connect({ room: "lobby" }, { ...options, token: () => token });`;

  const refused = await page.run(`
    try { ${connect("a.b.c")} } catch (error) {
      return [error instanceof client.ConnectFailed, error.code, error.message];
    }`);
  assert.deepEqual(refused, [true, 1006, "`Room` is not connected: a browser does not say why (1006)"]);

  const talk = await page.run(`
    ${connect(tokenOf(1, 600))}
    Object.assign(window, { room, welcome: room.events("welcome") });
    const first = (await welcome.next()).value;
    const said = await room.say({ text: "from a page" });
    const lines = [];
    for await (const { text } of room.history()) lines.push(text);
    let code;
    try { await room.say({ text: "" }); } catch (error) { code = error.code; }
    return { first, said, lines, code };`);
  assert.deepEqual(talk, {
    first: { room: "lobby", members: ["jerry"] },
    said: { id: 1, from: "jerry", text: "from a page" },
    lines: ["from a page"],
    code: "empty",
  });

  await page.run(`
    window.states = [];
    window.again = new Promise((resolve) => room.watch((state) => {
      states.push([state.name, state.code]);
      if (state.name === "open") resolve();
    }));`);
  await demo.stop("SIGKILL");
  const restarted = await demo.restart();
  closers.push(() => restarted.stop());
  const [states, welcome, text] = await page.run(`
    await again;
    return [states, (await welcome.next()).value, (await room.say({ text: "again" })).text];`);
  assert.deepEqual(states[0], ["waiting", 1006]);
  assert.deepEqual(states.at(-1), ["open", null]);
  assert.deepEqual([welcome, text], [{ room: "lobby", members: ["jerry"] }, "again"]);

  await page.run(`
    window.ended = new Promise((resolve) => {
      room.watch(({ name, code }) => name === "closed" && resolve(code));
    });`);
  const headers = { Authorization: `Bearer ${await restarted.login("admin")}` };
  await fetch(`${restarted.http}/users/jerry`, { method: "DELETE", headers });
  assert.equal(await page.run("return ended;"), 4403);
});
