// The runtime: the same for every application.

/** Calls without a reply. One more fails with `busy`. */
const PENDING_CALLS = 256;
/** Messages that wait in one iterator. One more ends it with `Overflow`. */
const QUEUED_MESSAGES = 1024;
/** Bytes that wait in the socket. While there are more, calls fail with `busy`. */
const BUFFERED_BYTES = 8 * 1024 * 1024;
/** The longest timer of the platform, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

const OPEN = 1;
const NORMAL_CLOSURE = 1000;
const ABNORMAL_CLOSURE = 1006;
const SILENT = 4000;
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;

export class CallRefused extends Error {
  constructor(event, { code = "internal", message = code, path, fields } = {}) {
    super(message);
    Object.assign(this, { name: "CallRefused", event, code, path, fields });
  }
}

export class CallLost extends Error {
  constructor(event, why, { wasSent = false, cause } = {}) {
    super(`no reply to \`${event}\`: ${why}`, cause === undefined ? {} : { cause });
    Object.assign(this, { name: "CallLost", event, why, wasSent });
  }
}

export class ConnectFailed extends Error {
  constructor(channel, code, reason, cause) {
    const because = reason || cause?.message || "a browser does not say why";
    super(`\`${channel}\` is not connected: ${because} (${code})`, cause === undefined ? {} : { cause });
    Object.assign(this, { name: "ConnectFailed", code, reason });
  }
}

export class Overflow extends Error {
  constructor(event) {
    super(`more than ${QUEUED_MESSAGES} messages \`${event}\` have not been read`);
    Object.assign(this, { name: "Overflow", event });
  }
}

export class AskRefused extends Error {
  constructor(code, message = code) {
    super(message);
    Object.assign(this, { name: "AskRefused", code });
  }
}

/** A bounded queue, read as an async iterator. It is filled from the moment it is made. */
class Feed {
  #items = [];
  #readers = [];
  #ended = false;
  #error;
  #event;
  #stop;

  constructor(event, stop) {
    this.#event = event;
    this.#stop = stop;
  }

  push(value) {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader) reader.resolve({ value, done: false });
    else if (this.#items.length < QUEUED_MESSAGES) this.#items.push(value);
    else this.end(new Overflow(this.#event));
  }

  end(error) {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#stop();
    for (const { resolve, reject } of this.#readers.splice(0)) this.#last().then(resolve, reject);
  }

  next() {
    if (this.#items.length > 0) return Promise.resolve({ value: this.#items.shift(), done: false });
    if (this.#ended) return this.#last();
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  return() {
    this.#items = [];
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** The end: the error once, after that a plain end. */
  #last() {
    const error = this.#error;
    this.#error = undefined;
    return error ? Promise.reject(error) : Promise.resolve({ value: undefined, done: true });
  }
}

export class TypedChannel {
  #channel;
  #options;
  #url;
  #state;
  /** The current attempt or connection. Events of older sockets are ignored. */
  #link;
  #retry;
  /** Attempts since the last good connection. */
  #failures = 0;
  /** Whether a new token was tried at once since the last good connection. */
  #hasRenewed = false;
  /** The caller of `connect`, until the first attempt has ended. */
  #first;
  #lastRef = 0;
  #calls = new Map();
  #listeners = new Map();
  #answers = new Map();
  #watchers = new Set();
  #feeds = new Set();

  constructor(...args) {
    const channel = new.target.channel;
    const [params, options] = channel.address.includes("{") ? args : [{}, ...args];
    const { token, protocols = channel.protocols, WebSocket = globalThis.WebSocket, ...others } = options;
    if (!WebSocket) {
      throw new TypeError("no global WebSocket: pass one, such as that of npm's `ws`");
    }
    const tokenIn = channel.tokenIn ?? (protocols.length > 0 ? "subprotocol" : undefined);
    if (token && !tokenIn) {
      throw new TypeError(`\`${channel.name}\` declares no place for a token that a browser can fill`);
    }
    this.#channel = channel;
    const defaults = { idle: 30_000, timeout: 10_000 };
    this.#options = { ...defaults, ...defined(others), token, tokenIn, protocols, WebSocket };
    this.#url = urlOf(channel.address, params, this.#options);
    this.#connect();
  }

  static open(...args) {
    return new this(...args);
  }

  static async connect(...args) {
    const channel = new this(...args);
    await new Promise((resolve, reject) => (channel.#first = { resolve, reject }));
    return channel;
  }

  static refused(event, error) {
    return error instanceof CallRefused && error.event === event;
  }

  get state() {
    return this.#state;
  }

  watch(watcher) {
    return added(this.#watchers, watcher);
  }

  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    return added(this.#listeners.get(event), listener);
  }

  events(event) {
    const feed = new Feed(event, () => {
      stop();
      this.#feeds.delete(feed);
    });
    const stop = this.on(event, (data) => feed.push(data));
    this.#feeds.add(feed);
    if (this.#state.name === "closed") feed.end();
    return feed;
  }

  answer(event, answer) {
    this.#answers.set(event, answer);
    return () => {
      if (this.#answers.get(event) === answer) this.#answers.delete(event);
    };
  }

  call(event, ...args) {
    const declared = this.#channel.calls.get(event);
    if (!declared) throw new TypeError(`\`${this.#channel.name}\` has no event \`${event}\``);
    const [data, options = {}] = declared.hasData ? args : [undefined, ...args];
    if (declared.reply === "many") return this.#stream(event, data, options);
    return new Promise((resolve, reject) => {
      const end = {
        one: () => reject(new CallLost(event, "no_reply", { wasSent: true })),
        optional: () => resolve(undefined),
        none: () => resolve(undefined),
      }[declared.reply];
      const item = declared.reply === "none" ? end : resolve;
      const { timeout } = this.#options;
      const call = { event, item, end, fail: reject, isMany: false };
      this.#send(call, data, { timeout, ...defined(options) });
    });
  }

  retryNow() {
    if (this.#state.name === "waiting") this.#connect();
  }

  close(code = NORMAL_CLOSURE, reason = "") {
    if (this.#state.name === "closed") return;
    const isAllowed = code === NORMAL_CLOSURE || (code >= 3000 && code <= 4999);
    if (!isAllowed) throw new RangeError(`${code} is not a close code of applications`);
    if (new TextEncoder().encode(reason).length > 123) throw new RangeError("the reason is too long");
    this.#drop(code, reason);
    this.#end(code, reason);
  }

  // ---- Connecting ------------------------------------------------------------------------------

  #connect() {
    clearTimeout(this.#retry);
    const link = (this.#link = { isOpen: false, receivedAt: now(), awaitsPong: false });
    const { timeout } = this.#options;
    const late = () => this.#lost(link, ABNORMAL_CLOSURE, `no connection within ${timeout} ms`);
    link.deadline = timer(late, timeout);
    this.#set({ name: "connecting", attempt: this.#failures + 1 });
    this.#dial(link).catch((error) => this.#lost(link, ABNORMAL_CLOSURE, "", error));
  }

  async #dial(link) {
    const { token, tokenIn, WebSocket } = this.#options;
    const given = await token?.();
    if (link !== this.#link) return;
    const url = new URL(this.#url);
    const offered = [...this.#options.protocols];
    if (given && tokenIn === "subprotocol") offered.push(`bearer.${base64url(given)}`);
    else if (given) url.searchParams.set(tokenIn.query, given);
    const socket = new WebSocket(url.href, offered);
    link.socket = socket;
    socket.addEventListener("open", () => this.#opened(link));
    socket.addEventListener("message", ({ data }) => this.#received(link, data));
    socket.addEventListener("error", ({ error }) => {
      link.error = error;
      // The WebSocket of Node 20 has no event `close` after a refused handshake.
      if (!link.isOpen) this.#lost(link, ABNORMAL_CLOSURE, "", error);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#lost(link, code, String(reason ?? ""), link.error);
    });
  }

  #opened(link) {
    if (link !== this.#link) return;
    clearTimeout(link.deadline);
    link.isOpen = true;
    link.stable = timer(() => {
      this.#failures = 0;
      this.#hasRenewed = false;
    }, this.#options.reconnect?.stable ?? 10_000);
    link.receivedAt = now();
    this.#watchSilence(link);
    if (this.#first) {
      // The caller of `connect` adds its listeners before the first message is delivered.
      link.held = [];
      timer(() => {
        const held = link.held;
        link.held = undefined;
        for (const data of held) this.#received(link, data);
      });
    }
    this.#set({ name: "open" });
    this.#first?.resolve();
    this.#first = undefined;
  }

  /** A browser cannot ping: silence leads to the event `ping`, more silence ends the socket. */
  #watchSilence(link) {
    const { idle } = this.#options;
    if (idle === 0) return;
    const silence = now() - link.receivedAt;
    if (silence >= idle && link.awaitsPong) {
      return this.#lost(link, ABNORMAL_CLOSURE, "the server is silent", undefined, SILENT);
    }
    if (silence >= idle) {
      link.awaitsPong = true;
      this.#transmit(link, '{"event":"ping"}');
    }
    link.idle = timer(() => this.#watchSilence(link), silence >= idle ? idle : idle - silence);
  }

  /** An attempt has failed, or a connection has ended. */
  #lost(link, code, reason, cause, closeCode = NORMAL_CLOSURE) {
    if (link !== this.#link) return;
    this.#drop(closeCode, reason);
    const { reconnect = {} } = this.#options;
    if (this.#first || reconnect === false || code === NORMAL_CLOSURE || code === FORBIDDEN) {
      return this.#end(code, reason, cause);
    }
    const isExpired = code === UNAUTHORIZED && !this.#hasRenewed;
    this.#hasRenewed ||= isExpired;
    const { first = 500, longest = 30_000 } = reconnect;
    const ceiling = Math.min(longest, first * 2 ** this.#failures);
    if (!isExpired) this.#failures += 1;
    const delay = isExpired ? 0 : Math.random() * ceiling;
    this.#retry = setTimeout(() => this.#connect(), delay);
    this.#set({ name: "waiting", delay, code, reason, cause });
  }

  /** Forgets and closes the socket. What was sent over it and not answered is lost. */
  #drop(code, reason) {
    const link = this.#link;
    this.#link = undefined;
    link?.socket?.close(code, reason);
    for (const running of [link?.deadline, link?.stable, link?.idle, this.#retry]) clearTimeout(running);
    for (const [ref, { event }] of [...this.#calls]) {
      this.#settle(ref)?.fail(new CallLost(event, "closed", { wasSent: true }));
    }
  }

  #end(code, reason, cause) {
    this.#set({ name: "closed", code, reason, cause });
    for (const feed of [...this.#feeds]) feed.end();
    this.#first?.reject(new ConnectFailed(this.#channel.name, code, reason, cause));
    this.#first = undefined;
  }

  #set(state) {
    this.#state = Object.freeze(defined(state));
    notify(this.#watchers, this.#state);
  }

  // ---- Sending ---------------------------------------------------------------------------------

  #stream(event, data, options) {
    let ref;
    const feed = new Feed(event, () => this.#settle(ref));
    const item = (value) => feed.push(value);
    const end = (error) => feed.end(error);
    ref = this.#send({ event, item, end, fail: end, isMany: true }, data, defined(options));
    return feed;
  }

  /** Sends a call, or fails it. Returns its ref. */
  #send(call, data, { timeout = 0, signal }) {
    const { event } = call;
    const link = this.#link;
    const ref = String(++this.#lastRef);
    const why = this.#obstacle(link, signal);
    if (why) {
      call.fail(new CallLost(event, why, { cause: signal?.aborted ? signal.reason : undefined }));
      return ref;
    }
    let text;
    try {
      text = JSON.stringify({ event, data, ref });
    } catch (error) {
      call.fail(error);
      return ref;
    }
    const lose = (why, cause) => {
      this.#settle(ref)?.fail(new CallLost(event, why, { wasSent: true, cause }));
    };
    const abort = () => lose("aborted", signal.reason);
    signal?.addEventListener("abort", abort);
    call.forget = () => signal?.removeEventListener("abort", abort);
    call.wait = () => (call.timer = timer(() => lose("timeout"), timeout, timeout > 0));
    call.wait();
    this.#calls.set(ref, call);
    this.#transmit(link, text);
    return ref;
  }

  /** The reason for which a call cannot be sent now. */
  #obstacle(link, signal) {
    if (signal?.aborted) return "aborted";
    if (this.#state.name !== "open" || link.socket.readyState !== OPEN) return "not_open";
    if (this.#calls.size >= PENDING_CALLS || link.socket.bufferedAmount > BUFFERED_BYTES) return "busy";
    return undefined;
  }

  #settle(ref) {
    const call = this.#calls.get(ref);
    this.#calls.delete(ref);
    clearTimeout(call?.timer);
    call?.forget();
    return call;
  }

  #transmit(link, text) {
    link.socket.send(text);
    notify([this.#options.onFrame], "sent", text);
  }

  // ---- Receiving -------------------------------------------------------------------------------

  #received(link, message) {
    if (link !== this.#link) return;
    link.receivedAt = now();
    link.awaitsPong = false;
    if (link.held) return void link.held.push(message);
    if (typeof message === "string") notify([this.#options.onFrame], "received", message);
    const envelope = typeof message === "string" ? read(message) : undefined;
    if (!envelope) return notify([this.#options.onUnknown], undefined, message);
    const { event, data, ref } = envelope;
    if (typeof ref === "string" && ref.startsWith("ask:")) return void this.#reply(link, event, data, ref);
    if (ref !== undefined && ref !== null) return this.#settleBy(String(ref), event, data);
    const listeners = this.#listeners.get(event);
    if (listeners?.size) {
      notify(listeners, data);
    } else if (event !== "pong" && !this.#channel.events.includes(event)) {
      notify([this.#options.onUnknown], event, data);
    }
  }

  /** A reply to a call. One that nothing waits for is late, and is dropped. */
  #settleBy(ref, event, data) {
    const call = this.#calls.get(ref);
    if (!call) return;
    if (event === "error") return this.#settle(ref).fail(new CallRefused(call.event, data ?? undefined));
    if (event === "end") return this.#settle(ref).end();
    if (!call.isMany) return this.#settle(ref).item(data);
    clearTimeout(call.timer);
    call.wait();
    call.item(data);
  }

  /** Answers an ask of the server, unless its connection has ended meanwhile. */
  async #reply(link, event, data, ref) {
    let answer;
    try {
      const answerOf = this.#answers.get(event);
      if (!answerOf) throw new AskRefused("unknown_event", `the client does not answer \`${event}\``);
      answer = JSON.stringify({ event, data: await answerOf(data), ref });
    } catch (error) {
      const isRefusal = error instanceof AskRefused;
      if (!isRefusal) report(error);
      const failure = { code: "internal", message: "the client failed to answer" };
      const { code, message } = isRefusal ? error : failure;
      answer = JSON.stringify({ event: "error", data: { code, message }, ref });
    }
    if (link === this.#link && link.socket.readyState === OPEN) this.#transmit(link, answer);
  }
}

function now() {
  return performance.now();
}

/** Starts a timer, unless it is not wanted or is longer than the platform can wait. */
function timer(callback, milliseconds = 0, isWanted = true) {
  return isWanted && milliseconds <= LONGEST_TIMER ? setTimeout(callback, milliseconds) : undefined;
}

/** Adds to a set. Returns the function that removes what was added, also if it is added twice. */
function added(set, callback) {
  const entry = (...args) => callback(...args);
  set.add(entry);
  return () => void set.delete(entry);
}

/** Calls functions of the application. If one throws, the others are called anyway. */
function notify(callbacks, ...args) {
  for (const callback of [...callbacks]) {
    try {
      callback?.(...args);
    } catch (error) {
      report(error);
    }
  }
}

/** Reports an error as one that nothing has caught. */
function report(error) {
  queueMicrotask(() => {
    throw error;
  });
}

function defined(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Reads an envelope; `undefined` if the text is not one. */
function read(text) {
  try {
    const envelope = JSON.parse(text);
    return typeof envelope?.event === "string" ? envelope : undefined;
  } catch {
    return undefined;
  }
}

function urlOf(address, params, { base, query = {} }) {
  const path = address.replace(/\{(\*?)([^}]+)\}/g, (_, isRest, name) => {
    const segments = isRest ? String(params[name] ?? "").split("/") : [String(params[name] ?? "")];
    return segments.map((segment) => encoded(name, segment)).join("/");
  });
  const url = new URL(base);
  url.protocol = url.protocol.replace("http", "ws");
  url.pathname = url.pathname.replace(/\/+$/, "") + path;
  url.search = url.hash = "";
  for (const [name, value] of Object.entries(query)) {
    for (const item of [value].flat()) {
      if (item !== undefined && item !== null) url.searchParams.append(name, String(item));
    }
  }
  return url.href;
}

/** Encodes a segment of a path. Dots would name another path. */
function encoded(name, segment) {
  if (["", ".", ".."].includes(segment)) {
    throw new TypeError(`the path parameter \`${name}\` cannot be \`${segment}\``);
  }
  return encodeURIComponent(segment);
}

function base64url(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
