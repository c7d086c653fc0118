// Headless Chromium, driven by the DevTools protocol over two pipes. Needs no package.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The longest wait for anything, in milliseconds. */
export const DEADLINE = 20_000;

const FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];

export class Browser {
  #process;
  #exited;
  #profile;
  #last = 0;
  #waiting = new Map();
  #listeners = new Map();

  /** Starts it, with these flags besides. */
  static async start(...flags) {
    const browser = new Browser();
    browser.#profile = await mkdtemp(join(tmpdir(), "ws-chromium-"));
    const args = [...FLAGS, ...flags, "--remote-debugging-pipe", `--user-data-dir=${browser.#profile}`];
    browser.#process = spawn("chromium", args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    browser.#exited = once(browser.#process, "exit");
    let rest = "";
    browser.#process.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const message of messages) browser.#received(JSON.parse(message));
    });
    return browser;
  }

  /** Opens a page, and waits until it is loaded. Each page is a tab of its own. */
  async open(url) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId);
    this.#listeners.set(sessionId, (method, params) => page.received(method, params));
    for (const domain of ["Page", "Runtime", "Log"]) await page.send(`${domain}.enable`);
    await page.load(url);
    return page;
  }

  /** Sends a command. Returns its result. */
  send(method, params, sessionId) {
    const id = ++this.#last;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`${method}: no answer: ${JSON.stringify(params)}`));
      this.#waiting.set(id, { resolve, reject, deadline: setTimeout(late, DEADLINE) });
    });
  }

  async stop() {
    for (const { deadline } of this.#waiting.values()) clearTimeout(deadline);
    this.#process.kill("SIGKILL");
    await this.#exited;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #received({ id, method, params, sessionId, result, error }) {
    if (id === undefined) return this.#listeners.get(sessionId)?.(method, params);
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.deadline);
    this.#waiting.delete(id);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result);
  }
}

export class Page {
  /** Uncaught errors, and errors of the console such as breaches of the content security policy. */
  errors = [];
  #browser;
  #session;
  #loaded;

  constructor(browser, session) {
    this.#browser = browser;
    this.#session = session;
  }

  send(method, params = {}) {
    return this.#browser.send(method, params, this.#session);
  }

  async load(url) {
    const loaded = new Promise((resolve) => (this.#loaded = resolve));
    await this.send("Page.navigate", { url });
    await loaded;
  }

  /** Runs an async function body in the page. Returns its result. */
  async run(body) {
    const expression = `(async () => { ${body} })()`;
    const params = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", params);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression is true. It is evaluated whenever the document changes. */
  async until(expression) {
    const isTrue = await this.run(`
      return new Promise((resolve) => {
        const holds = () => { try { return Boolean(${expression}); } catch { return false; } };
        if (holds()) return resolve(true);
        const observer = new MutationObserver(() => holds() && end(true));
        const deadline = setTimeout(() => end(false), ${DEADLINE - 5_000});
        const end = (result) => { observer.disconnect(); clearTimeout(deadline); resolve(result); };
        observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
      });`);
    if (!isTrue) throw new Error(`not true in time: ${expression}\n${await this.run("return document.body.innerText;")}`);
  }

  /** Sets the size of the window in CSS pixels, and light or dark colours. */
  async look({ width = 1280, height = 900, scheme = "light" } = {}) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 500 });
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /** Types a text where the focus is. */
  async type(text) {
    await this.send("Input.insertText", { text });
  }

  /** Presses a key such as `Enter` or `Tab`. */
  async press(key) {
    const code = { Enter: 13, Tab: 9, " ": 32 }[key];
    const text = { Enter: "\r", " ": " " }[key];
    const event = { key, code: key === " " ? "Space" : key, windowsVirtualKeyCode: code };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", text, ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Returns the bytes of a PNG of the whole page. */
  async screenshot() {
    // A page in the background is not drawn.
    await this.send("Page.bringToFront");
    const { data } = await this.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
    return Buffer.from(data, "base64");
  }

  received(method, params) {
    if (method === "Page.loadEventFired") this.#loaded?.();
    if (method === "Runtime.exceptionThrown") {
      const { text, exception } = params.exceptionDetails;
      this.errors.push(exception?.description ?? text);
    }
    if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.errors.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    }
  }
}
