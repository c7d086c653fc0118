// The demo as a process of its own, on ports that the system chooses.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";

import { DEADLINE } from "./browser.mjs";

const SECRET = "a secret of the tests, of no less than 32 bytes";

export class Demo {
  static async start(more = {}) {
    const demo = new Demo();
    const env = {
      ...process.env,
      WS__SERVERS__HTTP__PORT: "0",
      WS__SERVERS__WS__PORT: "0",
      WS__CONSOLE__PORT: "0",
      WS_DEMO_DB: ":memory:",
      JWT_SECRET: SECRET,
      ...more,
    };
    demo.process = spawn(process.env.WS_DEMO, [], { env, stdio: ["ignore", "pipe", "ignore"] });
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
    demo.process.stdout.resume();
    return demo;
  }

  async stop() {
    this.process.kill("SIGKILL");
    await this.exited;
  }
}

/** A token for a user of the demo. */
export function tokenOf(uid) {
  const iat = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ data: { uid }, iat, exp: iat + 600 })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}
