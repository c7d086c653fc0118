// The demo as a process of its own, for tests in Node.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import process from "node:process";
import { createInterface } from "node:readline";

/** The longest wait for the demo, in milliseconds. */
const DEADLINE = 20_000;
/** The secret of the demo's tokens. */
const SECRET = "a secret of the tests, of no less than 32 bytes";

/** The demo on free ports, or on those of an earlier demo. `WS_DEMO` is its binary. */
export class Demo {
  /** Starts it with these environment variables. `stderr` (`inherit`, `ignore`) is for its log. */
  static async start(settings = {}, stderr = "inherit") {
    const demo = new Demo();
    demo.settings = settings;
    const env = {
      ...process.env,
      WS__SERVERS__HTTP__PORT: "0",
      WS__SERVERS__WS__PORT: "0",
      WS__CONSOLE__PORT: "0",
      WS_DEMO_DB: ":memory:",
      JWT_SECRET: SECRET,
      RUST_LOG: "error",
      ...settings,
    };
    demo.process = spawn(process.env.WS_DEMO, [], { env, stdio: ["ignore", "pipe", stderr] });
    demo.exited = once(demo.process, "exit");
    const deadline = setTimeout(() => demo.process.kill("SIGKILL"), DEADLINE);
    for await (const line of createInterface({ input: demo.process.stdout })) {
      const [name, address] = line.split(/\s+/);
      if (name === "Console") demo.console = address;
      if (name === "HTTP") demo.http = address;
      if (name === "WebSocket") demo.ws = address;
      if (demo.http && demo.ws) break;
    }
    clearTimeout(deadline);
    if (!demo.ws) throw new Error("the demo has not printed its addresses");
    demo.process.stdout.resume();
    return demo;
  }

  /** A demo on the same ports, with these settings added. */
  restart(settings = {}) {
    const ports = {
      WS__SERVERS__HTTP__PORT: new URL(this.http).port,
      WS__SERVERS__WS__PORT: new URL(this.ws).port,
    };
    return Demo.start({ ...this.settings, ...ports, ...settings });
  }

  /** Stops all threads, so that nothing is read, and waits until they have stopped. */
  async pause() {
    this.process.kill("SIGSTOP");
    const tasks = `/proc/${this.process.pid}/task`;
    const deadline = performance.now() + DEADLINE;
    for (let areStopped = false; !areStopped; ) {
      if (performance.now() > deadline) throw new Error("the demo does not stop");
      const threads = await readdir(tasks);
      const stats = await Promise.all(threads.map((thread) => readFile(`${tasks}/${thread}/stat`, "utf8")));
      areStopped = stats.every((stat) => stat.slice(stat.lastIndexOf(")")).startsWith(") T"));
    }
  }

  async stop(signal = "SIGKILL") {
    this.process.kill(signal);
    await this.exited;
  }

  async login(account = "jerry") {
    const body = JSON.stringify({ account, password: `${account}-demo` });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(`${this.http}/login`, { method: "POST", headers, body });
    return (await response.json()).token;
  }

  /** Sends a line over HTTP. Returns the status. */
  async say(account, text, room = "lobby") {
    const token = await this.login(account);
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
    const body = JSON.stringify({ text });
    return (await fetch(`${this.http}/rooms/${room}/say`, { method: "POST", headers, body })).status;
  }
}

/** A token for a user of the demo, which expires after so many seconds. */
export function tokenOf(uid, seconds = 600) {
  const iat = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ data: { uid }, iat, exp: iat + seconds })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}
