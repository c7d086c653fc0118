// A browser, driven by the DevTools protocol over two pipes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The longest wait for anything, in milliseconds. */
export const DEADLINE = 20_000;

export class Browser {
  #process;
  #profile;
  #last = 0;
  #waiting = new Map();
  #listeners = [];

  static async start() {
    const browser = new Browser();
    browser.#profile = await mkdtemp(join(tmpdir(), "ws-console-chromium-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
    const args = [...flags, "--remote-debugging-pipe", `--user-data-dir=${browser.#profile}`];
    browser.#process = spawn("chromium", args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    let rest = "";
    browser.#process.stdio[4].on("data", (bytes) => {
      const messages = (rest + bytes).split("\0");
      rest = messages.pop();
      for (const message of messages) browser.#received(JSON.parse(message));
    });
    return browser;
  }

  async stop() {
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** Opens a tab with a store of its own. */
  async open(url) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, sessionId);
    this.#listeners.push(tab);
    await tab.send("Page.enable");
    await tab.send("Runtime.enable");
    await tab.send("Log.enable");
    await tab.go(url);
    return tab;
  }

  send(method, params, sessionId) {
    const id = ++this.#last;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`${method}: no answer`)), DEADLINE);
      this.#waiting.set(id, { resolve, reject, deadline });
    });
  }

  #received(message) {
    const { id, result, error } = message;
    for (const tab of this.#listeners) if (tab.session === message.sessionId) tab.received(message);
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.deadline);
    this.#waiting.delete(id);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result);
  }
}

class Tab {
  #browser;
  #loaded;
  /** What the page has complained about: errors of scripts, and refusals by its policy. */
  complaints = [];

  constructor(browser, session) {
    this.#browser = browser;
    this.session = session;
  }

  send(method, params) {
    return this.#browser.send(method, params, this.session);
  }

  async go(url) {
    const loaded = new Promise((resolve) => (this.#loaded = resolve));
    await this.send("Page.navigate", { url });
    await loaded;
  }

  /** Runs an async function body in the page. Returns its result. */
  async run(body) {
    const expression = `(async () => { ${body} })()`;
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression, awaitPromise: true, returnByValue: true, userGesture: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression of the page is true. */
  async until(expression) {
    const began = Date.now();
    for (;;) {
      if (await this.run(`return Boolean(${expression});`)) return;
      if (Date.now() - began > DEADLINE) {
        const text = await this.run("return document.body.innerText;");
        throw new Error(`never true: ${expression}\n${text}\n${this.complaints.join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async look({ width, dark }) {
    const mobile = width < 600;
    await this.send("Emulation.setDeviceMetricsOverride", { width, height: mobile ? 844 : 900, deviceScaleFactor: 1, mobile });
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  async picture() {
    const { cssContentSize: size } = await this.send("Page.getLayoutMetrics");
    const clip = { x: 0, y: 0, width: size.width, height: Math.min(size.height, 2400), scale: 1 };
    const { data } = await this.send("Page.captureScreenshot", { format: "png", clip, captureBeyondViewport: true });
    return Buffer.from(data, "base64");
  }

  received({ method, params }) {
    if (method === "Page.loadEventFired") this.#loaded?.();
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Log.entryAdded" && params.entry.level === "error") this.complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
  }
}
