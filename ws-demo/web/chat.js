// The chat: a room of the generated client, and the elements that show it.

import { CallLost, CallRefused, Room } from "./client.js";
import { Refused, base, whoami } from "./demo.js";
import { addFrame } from "./frames.js";
import { Lines } from "./lines.js";
import { closeWords, element, find, note, sentence, show } from "./view.js";

/** The lines that are read after connecting. */
const HISTORY = 20;

const STATE_WORDS = { connecting: "Connecting", open: "Connected", waiting: "Reconnecting", closed: "Closed" };

export class Chat {
  #lines = new Lines();
  #room;
  #place;
  #session;
  #needsLogin;
  #countdown;
  /** A text that was sent, and whose reply was lost. */
  #doubtful;

  /** `needsLogin` is called when the demo does not take the token any more. */
  constructor(needsLogin) {
    this.#needsLogin = needsLogin;
    find("say").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say(find("text").value);
    });
    find("retry").addEventListener("click", () => {
      if (this.#room?.state.name === "closed") this.enter(this.#place, this.#session);
      else this.#room?.retryNow();
    });
  }

  /** Enters a room with the token of a session, and leaves the room before. */
  enter(place, session) {
    this.leave();
    if (place !== this.#place || session.account !== this.#lines.account) this.#lines.clear();
    this.#lines.account = session.account;
    [this.#place, this.#session] = [place, session];
    show("chat-title", `#${place}`);
    let room;
    try {
      room = Room.open({ room: place }, { base, token: () => this.#token(), onFrame: addFrame });
    } catch {
      return note("say-note", `A room cannot be called "${place}".`, "bad");
    }
    this.#room = room;
    room.on("said", (line) => this.#lines.said(line));
    room.on("joined", ({ account }) => this.#lines.event(`${account} joined`));
    room.on("left", ({ account }) => this.#lines.event(`${account} left`));
    room.watch((state) => this.#changed(room, state));
    this.#changed(room, room.state);
  }

  /** Closes the connection. */
  leave() {
    const room = this.#room;
    this.#room = undefined;
    room?.close();
    this.#trouble();
    showOnline();
  }

  /**
   * Checks the token before each attempt. A browser does not tell a script why a handshake was
   * refused, or that nothing answered.
   */
  async #token() {
    await whoami(this.#session.token);
    return this.#session.token;
  }

  #changed(room, state) {
    if (room !== this.#room) return;
    if (state.cause instanceof Refused && [401, 403].includes(state.cause.status)) {
      this.leave();
      showState("closed", "Not logged in");
      return this.#needsLogin();
    }
    // From the first failure until success, it is one state for the user.
    const isRetry = state.name === "connecting" && state.attempt > 1;
    if (isRetry) this.#attempting();
    else this.#trouble(state);
    const name = isRetry ? "waiting" : state.name;
    showState(name, STATE_WORDS[name]);
    if (state.name === "open") this.#opened(room);
    else showOnline();
  }

  #opened(room) {
    this.#lines.opened();
    note("say-note", "");
    this.#readOnline(room);
    this.#readHistory(room);
  }

  async #readOnline(room) {
    try {
      for await (const accounts of room.online()) showOnline(accounts, this.#session.account);
    } catch (error) {
      // After the next opening, it is asked for again.
      if (!(error instanceof CallLost)) this.#lines.event(`The list of who is online is not shown: ${words(error)}`);
    }
  }

  async #readHistory(room) {
    find("lines").ariaBusy = "true";
    try {
      for await (const line of room.history({ limit: HISTORY })) {
        const isNew = this.#lines.remembered(line);
        if (isNew && line.from === this.#session.account) this.#arrived(line.text);
      }
      this.#doubtful = undefined;
    } catch (error) {
      if (!(error instanceof CallLost)) this.#lines.event(`The last lines are not shown: ${words(error)}`);
    }
    find("lines").ariaBusy = "false";
  }

  /** A line is in the history whose reply was lost: it need not be sent again. */
  #arrived(text) {
    if (text !== this.#doubtful) return;
    if (find("text").value === text) find("text").value = "";
    note("say-note", "");
    this.#doubtful = undefined;
  }

  async #say(text) {
    const room = this.#room;
    if (room?.state.name !== "open") {
      return note("say-note", "Not sent: not connected now. Your text stays here.", "bad");
    }
    note("say-note", "");
    find("text").value = "";
    try {
      this.#lines.said(await room.say({ text }));
    } catch (error) {
      // Text that was typed meanwhile is placed after it.
      find("text").value = [text.trim() && text, find("text").value].filter(Boolean).join(" ");
      note("say-note", words(error), "bad");
      if (!(error instanceof CallLost && error.wasSent)) return;
      this.#doubtful = text;
      if (room.state.name === "open") this.#readHistory(room);
    }
  }

  /** Shows the reason of the disconnect, and the time until the next attempt. */
  #trouble({ name, delay, code, reason, cause } = {}) {
    clearInterval(this.#countdown);
    const isWaiting = name === "waiting";
    find("trouble").hidden = !isWaiting && name !== "closed";
    show("countdown", "");
    if (find("trouble").hidden) return;
    const why = cause ? cause.message : `${closeWords(code, reason)}.`;
    show("trouble-text", isWaiting ? sentence(why) : `Closed: ${why}`);
    show("retry", isWaiting ? "Try now" : "Connect again");
    if (!isWaiting) return;
    const end = performance.now() + delay;
    const count = () => {
      const seconds = Math.max(1, Math.ceil((end - performance.now()) / 1000));
      show("countdown", `Reconnecting in ${seconds} s`);
    };
    count();
    this.#countdown = setInterval(count, 200);
  }

  /** Ends the countdown, because an attempt has begun. The reason of the last failure stays. */
  #attempting() {
    clearInterval(this.#countdown);
    show("countdown", "Reconnecting …");
  }
}

function showState(name, text) {
  show("state", text);
  find("state").dataset.state = name;
}

/** Shows the accounts in the room; nothing if they are not known. */
function showOnline(accounts, own) {
  const names = (accounts ?? []).flatMap((account, index) => [
    index > 0 ? element("span", "hidden", ", ") : "",
    element("b", "", account === own ? `${account} (you)` : account),
  ]);
  find("online").replaceChildren(accounts ? "Online: " : "", ...names);
}

/** Returns an error of a call in words. */
function words(error) {
  if (error instanceof CallRefused) return `${error.message} (${error.code})`;
  if (!(error instanceof CallLost)) return error.message;
  if (!error.wasSent) return `Not sent: ${error.why === "busy" ? "too much is waiting" : "not connected now"} (${error.why})`;
  return `There was no reply, so the line may have been said. Look before you send it again. (${error.why})`;
}
