// Requests to the demo over HTTP, and the addresses of the demo.

import { sentence } from "./view.js";

/** The longest wait for an answer, in milliseconds. */
const TIMEOUT = 10_000;

/** The demo does not answer. Its message is for the user. */
export class Unreachable extends Error {
  constructor(cause) {
    super("The demo does not answer. Is it still running?", { cause });
    this.name = "Unreachable";
  }
}

/** The demo answered with an error. Its message is for the user. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    Object.assign(this, { name: "Refused", status });
  }
}

const port = document.querySelector('meta[name="ws-port"]').content;
const scheme = location.protocol === "https:" ? "wss" : "ws";

/** The address of the WebSocket server, which has a port of its own. */
export const base = `${scheme}://${location.hostname}:${port}`;

/** Returns a token. */
export async function login(account, password) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ account, password });
  return (await request("/login", { method: "POST", headers, body })).token;
}

/** Returns the account of a token. A token that is not good is a `Refused` with the status 401. */
export async function whoami(token) {
  return (await request("/whoami", { headers: { Authorization: `Bearer ${token}` } })).account;
}

async function request(path, options) {
  let response;
  let body;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
    body = await response.text();
  } catch (error) {
    throw new Unreachable(error);
  }
  const json = read(body);
  if (response.ok && json) return json;
  const message = json?.msg ? `${sentence(json.msg)} (${json.code})` : "The demo did not understand this page.";
  throw new Refused(response.status, json?.msg ? message : `${message} (${response.status})`);
}

function read(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
