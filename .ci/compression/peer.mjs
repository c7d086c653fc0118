// The peer under test as a process: an echo server, and a client of echo servers. `WS_PEER` is its
// binary.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

/** The longest wait for anything, in milliseconds. */
export const DEADLINE = 120_000;

/** The server, on a port that the system chose. */
export class Server {
  static async start() {
    const server = new Server();
    // It ends with its standard input, so also with this process.
    server.process = spawn(process.env.WS_PEER, ["serve"], { stdio: ["pipe", "pipe", "inherit"] });
    server.exited = once(server.process, "exit");
    for await (const line of createInterface({ input: server.process.stdout })) {
      server.uri = line;
      break;
    }
    if (!server.uri) throw new Error("the server did not start");
    return server;
  }

  async stop() {
    this.process.stdin.end();
    await this.exited;
  }
}

/** Sends all kinds of messages from the client to an echo server. Returns what it has printed. */
export async function talk(uri, compression) {
  const { stdout } = await promisify(execFile)(process.env.WS_PEER, ["talk", uri, compression], { timeout: DEADLINE });
  return stdout.trim();
}
