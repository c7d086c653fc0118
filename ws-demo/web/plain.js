// The routes of plain text, over the browser's own WebSocket.

import { base, whoami } from "./demo.js";
import { closeWords, element, find, growing, note } from "./view.js";

/** The messages that are kept on the page. */
const MESSAGES = 200;

export class Plain {
  #socket;
  #session;

  /** `session` has the token, if there is one. */
  constructor(session) {
    this.#session = session;
    find("dial").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#socket) this.#socket.close(1000);
      else this.#connect(find("dial").elements.route.value);
    });
    find("send").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(find("plain-text"));
    });
  }

  async #connect(route) {
    const { token } = this.#session;
    const button = find("dial").querySelector("button");
    button.disabled = true;
    note("dial-note", "Connecting …");
    try {
      if (route === "/wss/demo") await check(token);
      this.#open(route, token);
    } catch (error) {
      note("dial-note", error.message, "bad");
    }
    button.disabled = false;
  }

  #open(route, token) {
    // The server chooses the first. The second is the token, which a server never chooses.
    const protocols = token && route !== "/wss/echo" ? ["demo.v1", `bearer.${base64url(token)}`] : ["demo.v1"];
    const socket = new WebSocket(base + route, protocols);
    let hasOpened = false;
    socket.addEventListener("open", () => {
      hasOpened = true;
      note("dial-note", `Connected to ${base}${route}`, "good");
      this.#show();
    });
    socket.addEventListener("message", ({ data }) => add("theirs", `← ${data}`));
    socket.addEventListener("close", ({ code, reason }) => {
      this.#socket = undefined;
      const end = hasOpened ? `Closed: ${closeWords(code, reason)}.` : "Not connected: the demo does not answer.";
      note("dial-note", end, code === 1000 ? "" : "bad");
      if (hasOpened) add("event", `closed (${code})`);
      this.#show();
    });
    this.#socket = socket;
    this.#show();
  }

  /** A text that cannot be sent stays in its field. */
  #send(field) {
    if (this.#socket?.readyState !== WebSocket.OPEN || field.value === "") return;
    this.#socket.send(field.value);
    add("mine", `→ ${field.value}`);
    field.value = "";
  }

  #show() {
    find("dial").querySelector("button").textContent = this.#socket ? "Disconnect" : "Connect";
    find("dial").elements.route.disabled = this.#socket !== undefined;
    find("send").querySelector("button").disabled = this.#socket?.readyState !== WebSocket.OPEN;
  }
}

/** A browser hides the status of a refused handshake, so the token is checked before it. */
async function check(token) {
  if (!token) throw new Error("This route needs a login.");
  await whoami(token);
}

function add(kind, text) {
  const list = find("plain");
  growing(list, list, MESSAGES, () => list.append(element("p", kind, text)));
}

function base64url(text) {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
