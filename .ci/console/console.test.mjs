// Every page of the console in Chromium, with the running demo.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";

import { Browser } from "../chromium.mjs";
import { Demo, tokenOf } from "../demo.mjs";
import { connect, send, show, text } from "./pages.mjs";

const PAGES = ["routes", "events", "try", "live", "traffic", "log", "metrics", "cluster"];
const SCRIPT = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>";
let demo, browser, tab;

before(async () => {
  demo = await Demo.start({ RUST_LOG: "info" }, "ignore");
  browser = await Browser.start();
  tab = await browser.open(demo.console);
  await tab.until("document.querySelector('main h1')");
});

after(async () => {
  await browser?.stop();
  await demo?.stop();
});

test("the token leaves the address, and every route is shown with its steps", async () => {
  assert.match(await tab.run("return location.href;"), /\/#\/routes$/);
  const shown = await text(tab);
  for (const part of ["/wss/rooms/{room}", "websocket_auth", "logged_in", "ws-demo/src/controllers/room.rs:", "A chat room"]) {
    assert.ok(shown.includes(part), part);
  }
});

test("the events have examples, codes, types and schemas", async () => {
  await show(tab, "#/events");
  await tab.run("document.querySelectorAll('main details').forEach((it) => (it.open = true));");
  const shown = await text(tab);
  for (const part of ['"event": "say"', "too_long", "say(data: Say, options?: CallOptions): Promise<Said>", "export interface Said", 'on("joined"', "rate_limited"]) {
    assert.ok(shown.includes(part), part);
  }
});

test("two clients talk: calls are paired with their replies, and the other client gets the event", async () => {
  await show(tab, "#/try");
  await connect(tab, "/wss/rooms/{room}", { values: { room: "lobby" }, token: tokenOf(1) });
  await tab.until("document.querySelector('main .frames').innerText.includes('welcome')");
  await connect(tab, "/wss/rooms/{room}", { values: { room: "lobby" }, token: tokenOf(2) });
  await tab.until("document.querySelector('main .frames').innerText.includes('welcome')");
  await send(tab, "say", 'message.data = { text: "hello" }');
  await tab.until("document.querySelector('main .frames').innerText.includes('reply to #1')");
  await send(tab, "say", 'message.data = { text: "" }');
  await tab.until("document.querySelector('main .frames').innerText.includes('refused: empty')");
  await tab.run("[...document.querySelectorAll('main .tabs button')][0].click();");
  await tab.until("document.querySelector('main .frames').innerText.includes('\"text\":\"hello\"')");
});

test("a refused handshake shows a link to its reason", async () => {
  await connect(tab, "/wss/rooms/{room}", { values: { room: "x" }, token: "no.good.token" });
  await tab.until("document.querySelector('main .frames').innerText.includes('handshake was refused')");
  await show(tab, "#/live");
  await tab.until("document.querySelector('main').innerText.includes('401')");
});

test("the connections, their users and their rooms are shown", async () => {
  await tab.until("document.querySelectorAll('main td.acts a').length === 2");
  const shown = await text(tab);
  for (const part of ["lobby", "jerry", "lily", "opened", "/wss/rooms/"]) assert.ok(shown.includes(part), part);
});

test("a script in the name of a room, in a user or in a message is shown as text", async () => {
  // The demo refuses such names, so they are put into the messages of its console.
  const other = await browser.open(demo.console);
  await other.run(`
    const name = JSON.stringify(${JSON.stringify(SCRIPT)}).slice(1, -1);
    const real = window.fetch;
    window.fetch = async (path, options) => {
      const response = await real(path, options);
      if (!String(path).includes("/api/feed")) return response;
      const replaced = new TransformStream({
        transform: (text, out) => out.enqueue(text.replace(/lobby|jerry|hello/g, name)),
      });
      const body = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(replaced).pipeThrough(new TextEncoderStream());
      return new Response(body, response);
    };`);
  await show(other, "#/live");
  await other.until(`document.querySelector("main").innerText.includes(${JSON.stringify(SCRIPT)})`);
  const [id] = await other.run("return [...document.querySelectorAll('main td.acts a')].map((it) => it.hash.split('/')[2]);");
  await show(other, `#/traffic/${id}`);
  await other.until("document.querySelector('main').innerText.includes('watching')");
  await show(tab, "#/try");
  await tab.run("[...document.querySelectorAll('main .tabs button')][1].click();");
  await send(tab, "say", 'message.data = { text: "hello" }');
  await other.until(`document.querySelector("main .frames").innerText.includes("<img src=x")`);
  assert.equal(await other.run("return window.broken ?? document.querySelectorAll('main script, main img').length;"), 0);
  await show(tab, "#/live");
  await tab.until("document.querySelectorAll('main td.acts a').length === 2");
});

test("the traffic of a connection is shown, and its user sends to it and closes it", async () => {
  const [id] = await tab.run("return [...document.querySelectorAll('main td.acts a')].map((it) => it.hash.split('/')[2]);");
  const watcher = await browser.open(demo.console);
  await show(watcher, `#/traffic/${id}`);
  await watcher.until("document.querySelector('main').innerText.includes('watching')");
  // Chromium reports the end of a dialog with a frame, and draws no frames in the background.
  await tab.send("Page.bringToFront");
  const press = (label) => tab.run(`
    const row = document.querySelector('main td.acts a[href="#/traffic/${id}"]').parentElement;
    [...row.querySelectorAll("button")].find((it) => it.textContent === "${label}").click();`);
  await press("Send");
  await tab.run(`
    document.querySelector("dialog select").value = "";
    document.querySelector("dialog textarea").value = "by hand";
    document.querySelector("dialog form button").click();`);
  await watcher.until("document.querySelector('main').innerText.includes('by hand')");
  await tab.until("!document.querySelector('dialog')");
  await press("Close");
  await tab.run("document.querySelector('dialog form button').click();");
  await watcher.until("document.querySelector('main').innerText.includes('close 4000')");
  await watcher.until("document.querySelector('main').innerText.includes('the connection has ended')");
  await tab.until("document.querySelector('main').innerText.includes('closed in the console')");
});

test("the log, the counters and the cluster are shown", async () => {
  await show(tab, "#/log");
  await tab.until("document.querySelector('main').innerText.includes('listening')");
  await show(tab, "#/metrics");
  await tab.until("document.querySelector('main').innerText.includes('accepted: 2')");
  assert.ok((await text(tab)).includes("empty: 1"), "errors by code");
  await show(tab, "#/cluster");
  await tab.until("document.querySelector('main').innerText.includes('This process is alone')");
});

test("every page fits into 390 px, with light and dark colours", async () => {
  for (const dark of [false, true]) {
    await tab.look({ width: 390, height: 844, scheme: dark ? "dark" : "light" });
    for (const page of PAGES) {
      await show(tab, `#/${page}`);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const beyond = await tab.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth;");
      assert.equal(beyond, 0, `${page} is too wide by ${beyond} px`);
    }
    const back = await tab.run("return getComputedStyle(document.body).backgroundColor;");
    assert.equal(back, dark ? "rgb(16, 20, 26)" : "rgb(246, 247, 249)");
  }
});

test("no page had a script error or a policy violation", () => {
  const expected = /WebSocket connection to .*(401|failed)/;
  assert.deepEqual(tab.errors.filter((it) => !expected.test(it)), []);
});

test("without the token no data is sent", async () => {
  const other = await browser.open("about:blank");
  const { origin } = new URL(demo.console);
  await other.load(`${origin}/`);
  await other.until("document.querySelector('main').innerText.includes('needs its token')");
  assert.equal(await other.run("return (await fetch('/api/model')).status;"), 401);
  await other.run("document.querySelector('main').replaceChildren(); location.hash = '#token=wrong';");
  await other.until("document.querySelector('main').innerText.includes('needs its token')");
});

test("a page of another origin reads nothing", async () => {
  const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html><title>evil</title>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const evil = await browser.open(`http://127.0.0.1:${server.address().port}/`);
    const { origin, hash } = new URL(demo.console);
    const outcome = await evil.run(`
      const tries = [["/api/model", {}], ["/api/model", { headers: { Authorization: "Bearer ${hash.split("=")[1]}" } }], ["/", {}]];
      return Promise.all(tries.map(([path, options]) => fetch("${origin}" + path, options).then((it) => it.status, () => "blocked")));`);
    assert.deepEqual(outcome, ["blocked", "blocked", "blocked"]);
    const framed = await evil.run(`
      const frame = document.createElement("iframe");
      frame.src = "${origin}/";
      document.body.append(frame);
      await new Promise((resolve) => (frame.onload = resolve));
      try { return frame.contentDocument?.title ?? "blocked"; } catch { return "blocked"; }`);
    assert.equal(framed, "blocked");
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("a foreign host name gets no page, also from this machine", async () => {
  const { port, hash } = new URL(demo.console);
  const headers = { Host: `evil.example:${port}`, Authorization: `Bearer ${hash.split("=")[1]}` };
  for (const path of ["/", "/api/model"]) {
    const sent = request({ host: "127.0.0.1", port, path, headers }).end();
    const [response] = await once(sent, "response");
    response.resume();
    assert.equal(response.statusCode, 421, path);
  }
});

const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

test("the loss of a node and of the broker is shown", { skip: !hasRedis && "redis-server is not installed" }, async () => {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  const broker = spawn("redis-server", ["--port", port, "--save", "", "--appendonly", "no"], { stdio: "ignore" });
  const cluster = {
    WS__CLUSTER__URL: `redis://127.0.0.1:${port}`, WS__CLUSTER__HEARTBEAT: "200ms", WS__CLUSTER__NODE_TIMEOUT: "1s",
  };
  const nodes = [];
  try {
    for (const name of ["first", "second"]) nodes.push(await Demo.start({ ...cluster, RUST_LOG: "info", WS__CLUSTER__NAME: name }, "ignore"));
    const watcher = await browser.open(nodes[0].console);
    await show(watcher, "#/cluster");
    await watcher.until("document.querySelector('main').innerText.includes('node second')");
    await picture(watcher, "cluster-up");
    await nodes.pop().stop();
    await watcher.until("/node second .* is gone/.test(document.querySelector('main').innerText)");
    broker.kill("SIGKILL");
    await watcher.until("document.querySelector('main').innerText.includes('The broker cannot be reached')");
    await picture(watcher, "cluster-down");
  } finally {
    broker.kill("SIGKILL");
    for (const node of nodes) await node.stop();
  }
});

/** Saves a screenshot if a folder is given. */
async function picture(page, name) {
  const folder = process.env.WS_CONSOLE_PICTURES;
  if (folder) await writeFile(join(folder, `${name}.png`), await page.picture());
}

test("the page shows that the program has ended", async () => {
  await demo.stop();
  await tab.until("document.querySelector('#state').innerText.includes('does not answer')");
});
