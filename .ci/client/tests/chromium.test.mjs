// The client of the demo in Chromium: a page loads `client.js` as it is.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { DEADLINE, Demo, tokenOf } from "./support.mjs";

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

/** A browser, driven by the DevTools protocol over two pipes. */
class Browser {
  #process;
  #last = 0;
  #waiting = new Map();
  #session;
  #loaded;

  static async start(url) {
    const profile = await mkdtemp(join(tmpdir(), "ws-client-chromium-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    const args = [...flags, "--remote-debugging-pipe", `--user-data-dir=${profile}`];
    const browser = new Browser();
    browser.#process = spawn("chromium", args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    const exited = once(browser.#process, "exit");
    closers.push(async () => {
      browser.#process.kill("SIGKILL");
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    });
    let rest = "";
    browser.#process.stdio[4].on("data", (bytes) => {
      const messages = (rest + bytes).split("\0");
      rest = messages.pop();
      for (const message of messages) browser.#received(JSON.parse(message));
    });
    const { targetId } = await browser.#send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.#send("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = sessionId;
    await browser.#send("Page.enable");
    const loaded = new Promise((resolve) => (browser.#loaded = resolve));
    await browser.#send("Page.navigate", { url });
    await loaded;
    return browser;
  }

  /** Runs an async function body in the page. Returns its result. */
  async run(body) {
    const expression = `(async () => { ${body} })()`;
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", params);
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  #send(method, params) {
    const id = ++this.#last;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`${method}: no answer`)), DEADLINE);
      this.#waiting.set(id, { resolve, reject, deadline });
    });
  }

  #received({ id, method, result, error }) {
    if (method === "Page.loadEventFired") this.#loaded?.();
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.deadline);
    this.#waiting.delete(id);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result);
  }
}

test("a page connects, calls, and survives a restart of the server", async () => {
  const demo = await Demo.start();
  closers.push(() => demo.stop());
  const page = await Browser.start(await serve());
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
