// The console's page. Text is set by `textContent` only: it comes from clients.

const $ = (id) => document.getElementById(id);
const STORED = "ws-console-token";
let model;

// ---- Elements

/** Makes an element. Strings become text, `on*` are listeners. */
function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  put(element, ...children);
  return element;
}

function put(element, ...children) {
  element.append(...children.flat(9).filter((it) => it !== undefined && it !== null && it !== false).map((it) => (it instanceof Node ? it : String(it))));
  return element;
}

function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

const chip = (text, kind = "", title) => h("span", { class: `chip ${kind}`, title }, text);
const mono = (text) => h("span", { class: "mono" }, text);
const code = (text) => h("code", null, text);
const note = (kind, ...children) => h("div", { class: `note ${kind}` }, ...children);
const lead = (...children) => h("p", { class: "lead" }, ...children);
const button = (text, onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, text);
const link = (text, href, kind = "button") => h("a", { class: kind, href }, text);
const fold = (title, ...children) => h("details", null, h("summary", null, title), ...children);
const tile = (value, text, kind = "") => h("div", { class: `tile ${kind}` }, h("b", null, value), h("span", null, text));
const field = (text, control) => h("label", null, text, control);
const row = (...children) => h("div", { class: "row" }, ...children);
const fields = (...children) => h("div", { class: "fields" }, ...children);
const [h1, h2, h3] = ["h1", "h2", "h3"].map((tag) => (...children) => h(tag, null, ...children));
/** A doc comment: words in backticks are code. */
const prose = (text, kind) => h("p", { class: kind }, text.split("`").map((part, at) => (at % 2 ? code(part) : part)));
const none = () => h("span", { class: "dim" }, "none");
const line = (at, ...cells) => h("li", null, h("time", null, clock(at)), ...cells);
const nothing = (text = "nothing yet") => h("li", null, h("span", { class: "dim" }, text));
const card = (...children) => h("div", { class: "card" }, ...children);
const select = (options, value, onchange) => {
  const element = h("select", { onchange }, options.map(([key, text]) => h("option", { value: key }, text ?? key)));
  if (value !== undefined) element.value = value;
  return element;
};

/** A column is [title, content of a row, class]. On a narrow screen a row is a card. */
function table(columns, rows, empty) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  const head = columns.map(([title, , kind]) => h("th", { class: kind, scope: "col" }, title));
  const body = rows.map((row) => h("tr", null, columns.map(([title, cell, kind]) => h("td", { class: kind, "data-label": title }, cell(row)))));
  return h("table", { class: "cards" }, h("thead", null, h("tr", null, head)), h("tbody", null, body));
}

/** Replaces the content but keeps the focus. */
function refresh(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.getAttribute("data-key") : null;
  fill(element, ...children);
  if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

// ---- Texts

const pretty = (value) => JSON.stringify(value, null, 2);
const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
const number = (value) => Number(value).toLocaleString("en");
const clock = (at) => {
  const time = new Date(at);
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
};

function span(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

const CLOSE_CODES = {
  1000: "normal end", 1001: "going away", 1002: "protocol error", 1005: "no code in the close frame",
  1006: "no close frame", 1007: "invalid text", 1008: "policy", 1009: "message too large",
  1011: "server error", 1013: "reads too slowly", 4401: "not authenticated, or the token expired", 4403: "forbidden",
};
const closeText = (value) => CLOSE_CODES[value] ?? (value >= 4000 ? "a code of the program" : "");

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text of a message: JSON on several lines if it is long. */
function shown(text) {
  const value = text.length > 90 ? parse(text) : undefined;
  return value === undefined ? text : pretty(value);
}

function say(text) {
  const toast = $("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (toast.hidden = true), 4000);
}

// ---- The program

class NoToken extends Error {}

function token() {
  const given = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
  if (given) {
    sessionStorage.setItem(STORED, given);
    history.replaceState(null, "", "#/routes");
  }
  return sessionStorage.getItem(STORED);
}

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { Authorization: `Bearer ${token()}` } });
  if (response.status === 401) throw new NoToken();
  return response;
}

async function post(path, body) {
  const response = await ask(path, { method: "POST", body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Reads a feed until the page is left, again after a loss. */
function feed(query, use, page) {
  const read = async () => {
    const response = await ask(`/api/feed?${new URLSearchParams(query)}`, { signal: page.signal });
    if (!response.ok) return void use({ error: (await response.json()).error });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const data = JSON.parse(line);
        state("good", plural(data.count, "connection"));
        use(data);
      }
    }
  };
  const loop = async () => {
    while (!page.signal.aborted) {
      try {
        await read();
      } catch (error) {
        if (page.signal.aborted) return;
        if (error instanceof NoToken) return void locked();
        state("bad", "the program does not answer");
      }
      if (query.topic === "traffic") return;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  };
  loop();
}

function state(kind, text) {
  const element = $("state");
  if (element.dataset.text === text) return;
  element.dataset.text = text;
  fill(element, h("span", { class: `dot ${kind}`, "aria-hidden": "true" }), text);
}

async function download(path, name) {
  const blob = await (await ask(path)).blob();
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

const channelOf = (route) => (route.channel === null ? undefined : model.channels[route.channel]);
const routeOf = (server, path) => model.routes.find((it) => it.server === server && it.path === path);
const serverOf = (name) => model.servers.find((it) => it.name === name);

/** Where the page reaches a server. */
function baseOf(server) {
  const { address, is_tls: isTls } = serverOf(server) ?? {};
  if (!address) return undefined;
  const [, host, port] = /^(.*):(\d+)$/.exec(address);
  const isHere = /^(127\.|0\.0\.0\.0|\[::1?\])/.test(host);
  return `${isTls ? "wss" : "ws"}://${isHere ? location.hostname : host}:${port}`;
}

// ---- Routes

function routesPage(main) {
  const { routes, servers, gaps } = model;
  put(main, h1("Routes"), lead(
    `This program answers at ${plural(routes.length, "route")}. Open a connection to one with “Try”, then see it under “Live”.`));
  for (const route of routes) put(main, routeCard(route));
  if (!routes.length) put(main, h("p", { class: "empty" }, "No server of this process has a route."));
  put(main, h2("Servers"), card(table([
    ["Name", (it) => h("strong", null, it.name)],
    ["Kind", (it) => it.kind],
    ["Address", (it) => (it.address ? mono(`${it.is_websocket ? "ws" : "http"}${it.is_tls ? "s" : ""}://${it.address}`) : "served by another program")],
  ], servers, "No servers.")));
  if (gaps.length) {
    put(main, h2("Not described"), h("div", { class: "card" },
      h("p", { class: "dim small" }, "The document and the clients do not know these parts."),
      table([["Part", (it) => prose(it.what)], ["Place", (it) => mono(it.location)]], gaps, "")));
  }
}

const SIZES = ["frame", "head", "inbox_bytes", "message", "outbox_bytes", "path", "query"];
const limit = ({ name, value }) => (!/^\d+$/.test(value) ? value : SIZES.includes(name) ? size(Number(value)) : number(value));

function routeCard(route) {
  const channel = channelOf(route);
  const steps = [
    ...route.middleware.map((it) => h("li", null, chip(it.name, "accent", `middleware, ${it.location}`), it.is_server_wide && h("span", { class: "dim small" }, "all routes"))),
    ...route.guards.map((it) => h("li", null, chip(it.name, "warn", `guard, ${it.location}`), h("span", { class: "dim small" }, "guard"))),
    ...route.interceptors.map((it) => h("li", null, chip(it.name, "", `interceptor, ${it.location}`), h("span", { class: "dim small" }, "around each message"))),
    h("li", null, chip(route.controller, "good", route.location)),
  ];
  const own = route.limits.filter((it) => it.is_own);
  const events = channel ? channel.events.length + channel.pushes.length : 0;
  return h("article", { class: "card" },
    h("div", { class: "row apart" }, h("span", { class: "path" }, route.path), h("div", { class: "row" },
      channel?.is_typed && link(plural(events, "event"), `#/events/${route.channel}`),
      link("Try", `#/try/${model.routes.indexOf(route)}`, "button main"))),
    prose(channel?.docs || (channel?.is_typed ? "" : "Its messages are not described: the controller has no `#[ws_handlers]`."), "dim"),
    h("ol", { class: "flow", "aria-label": "The steps of a handshake, outermost first" }, steps),
    h("div", { class: "row small dim" }, `server ${route.server}`, mono(route.location),
      route.subprotocols.map((it) => chip(`subprotocol ${it}`)), own.map((it) => chip(`${it.name} = ${limit(it)}`, "warn", "differs from the server"))),
    fold("Limits", h("div", { class: "scroll" }, h("table", null, h("tbody", null, route.limits.map((it) => h("tr", null,
      h("td", null, mono(it.name)), h("td", null, mono(limit(it))), h("td", null, it.is_own && chip("of this route", "warn")))))))));
}

// ---- Events

function eventsPage(main, chosen) {
  const typed = model.channels.map((it, index) => [it, index]).filter(([it]) => it.is_typed);
  put(main, h("div", { class: "row apart" }, h1("Events"), h("div", { class: "row" },
    button("asyncapi.json", () => download("/asyncapi.json", "asyncapi.json")),
    button("client.js", () => download("/client.js", "client.js")),
    button("client.d.ts", () => download("/client.d.ts", "client.d.ts")))),
  lead("A message is an event: a name, its data, and a ", code("ref"), " that the reply brings back."));
  if (!typed.length) return void put(main, h("p", { class: "empty" }, "No controller of this program has #[ws_handlers], so its messages are not known."));
  const index = typed.some(([, it]) => String(it) === chosen) ? chosen : String(typed[0][1]);
  const channel = model.channels[index];
  put(main, fields(field("Route", select(typed.map(([it, at]) => [String(at), it.address]), index, (event) => (location.hash = `#/events/${event.target.value}`)))));
  put(main, channel.docs && prose(channel.docs));
  put(main, h2(`The client sends (${channel.events.length})`), channel.events.map((it) => callCard(it, index)));
  if (!channel.events.length) put(main, h("p", { class: "dim" }, "No named events."));
  put(main, h2(`The server sends on its own (${channel.pushes.length})`), channel.pushes.map(pushCard));
  if (!channel.pushes.length) put(main, h("p", { class: "dim" }, "Only replies."));
  put(main, h2("Codes of every call"), card(codes(model.common_codes)));
}

const FORMS = {
  none: ["no reply", "with a ref: end"], one: ["one reply", ""], optional: ["a reply or none", ""], many: ["many replies", "then end"],
};

const envelope = (event, data, ref) => {
  const value = { event };
  if (data !== undefined) value.data = data;
  if (ref !== undefined) value.ref = ref;
  return value;
};

function example(title, value, payload) {
  const hasExample = !payload || payload.example !== null || payload.schema === true;
  const text = pretty(value);
  return h("div", null, h("div", { class: "row apart small dim" }, title,
    button("Copy", () => navigator.clipboard.writeText(text).then(() => say("Copied")))),
  h("pre", null, text), !hasExample && h("p", { class: "small dim" }, "No example is known for this schema."));
}

function callCard(event, index) {
  const [form, end] = FORMS[event.form];
  const reply = event.reply;
  return h("article", { class: "card" },
    h("div", { class: "row apart" }, row(h("span", { class: "path" }, event.name), chip(form, reply ? "good" : ""), end && chip(end)),
      link("Try", `#/try/${routeNumber(index)}/${encodeURIComponent(event.name)}`)),
    event.docs && prose(event.docs),
    h("div", { class: "pair" },
      example("sent", envelope(event.name, event.data ? event.data.example : undefined, 1), event.data),
      reply && example("reply", envelope(reply.name ?? "…", reply.example, 1), reply)),
    event.codes.length > 0 && fold(`Codes (${event.codes.length})`, codes(event.codes)),
    types(event.signature, event.data?.schema, reply?.schema));
}

function pushCard(event) {
  return h("article", { class: "card" },
    row(h("span", { class: "path" }, event.name), event.answer ? chip("asks for an answer", "warn") : chip("no answer")),
    event.docs && prose(event.docs),
    h("div", { class: "pair" },
      example("received", envelope(event.name, event.data.example, event.answer ? "ask:1" : undefined), event.data),
      event.answer && example("answer", envelope(event.name, event.answer.example, "ask:1"), event.answer)),
    types(event.signature, event.data.schema, event.answer?.schema));
}

const routeNumber = (channel) => Math.max(0, model.routes.findIndex((it) => String(it.channel) === String(channel)));
const codes = (list) => h("div", { class: "scroll" }, h("table", null, h("tbody", null, list.map(([name, text]) => h("tr", null, h("td", null, mono(name)), h("td", null, text))))));

/** The TypeScript and the schemas of an event, with the named types that it uses. */
function types(signature, ...schemas) {
  const used = new Set();
  const visit = (schema) => {
    if (schema === null || typeof schema !== "object") return;
    const name = typeof schema.$ref === "string" ? schema.$ref.split("/").pop() : undefined;
    if (name && model.schemas[name] !== undefined && !used.has(name)) {
      used.add(name);
      visit(model.schemas[name]);
    }
    Object.values(schema).forEach(visit);
  };
  const known = schemas.filter((it) => it !== undefined);
  known.forEach(visit);
  const text = [signature, ...[...used].map((name) => model.types[name])].filter(Boolean).join("\n\n");
  return [
    text && fold("TypeScript", h("pre", null, text)),
    known.length > 0 && fold("JSON Schema", known.map((schema) => h("pre", null, pretty(schema))), [...used].map((name) => h("pre", null, `${name}: ${pretty(model.schemas[name])}`))),
  ];
}

// ---- Try

/** They stay open on other pages. */
const tries = [];
let active = -1;
const MOST_FRAMES = 200;

function tryPage(main, chosen, wantedEvent, page) {
  put(main, h1("Try"), lead("Opens a real connection to the program. It stays open while you look at other pages."));
  const routes = model.routes;
  if (!routes.length) return void put(main, h("p", { class: "empty" }, "No routes."));
  const setup = h("section", { class: "card", "aria-label": "Connection" });
  const talk = h("section", { "aria-label": "Messages" });
  const tabs = h("div", { class: "row tabs" });
  put(main, h("div", { class: "two" }, setup, h("div", null, tabs, talk)));
  let index = routes[chosen] ? Number(chosen) : Math.max(0, routes.findIndex((it) => channelOf(it)?.is_typed));
  const draw = () => {
    fill(tabs, tries.map((it, at) => h("button", { type: "button", class: at === active ? "main" : "", onclick: () => show(at) }, `${at + 1} ${it.path}`)));
    const current = tries[active];
    if (current) talkCard(talk, current, current.route === routes[index] ? wantedEvent : undefined, draw);
    else fill(talk, h("p", { class: "empty" }, "Connect, and each message is shown here as it is on the wire. Open a second connection to see what others get."));
  };
  const show = (at) => {
    active = at;
    draw();
  };
  setupCard(setup, index, (at) => {
    index = at;
    wantedEvent = undefined;
  }, (connection) => {
    tries.push(connection);
    show(tries.length - 1);
  });
  page.signal.addEventListener("abort", () => tries.forEach((it) => (it.changed = () => {})));
  draw();
}

function setupCard(card, index, choose, opened) {
  const route = model.routes[index];
  const channel = channelOf(route);
  const names = [...route.path.matchAll(/\{\*?(\w+)\}/g)].map((it) => it[1]);
  const inputs = Object.fromEntries(names.map((name) => {
    const known = channel?.parameters.find((it) => it.name === name)?.example;
    return [name, h("input", { value: typeof known === "string" && known !== "text" ? known : typeof known === "number" ? known : "lobby", autocomplete: "off", spellcheck: "false" })];
  }));
  const query = h("input", { placeholder: "a=1&b=2", autocomplete: "off", spellcheck: "false", value: queryExample(channel) });
  const places = tokenPlaces(channel, route);
  const secret = h("input", { placeholder: "none", autocomplete: "off", spellcheck: "false", value: sessionStorage.getItem("ws-console-try") ?? "" });
  const place = select(places.map((it) => [it.key, it.text]), places[0]?.key);
  const offered = route.subprotocols.filter((it) => it !== "msgpack");
  const protocol = select([...offered.map((it) => [it]), ["", "none"]], offered[0] ?? "");
  const url = h("code", null);
  const base = baseOf(route.server);
  const address = () => {
    let path = route.path;
    for (const name of names) path = path.replace(new RegExp(`\\{\\*?${name}\\}`), encodeURIComponent(inputs[name].value));
    const search = new URLSearchParams(query.value);
    const { key, name } = places.find((it) => it.key === place.value) ?? {};
    if (secret.value && key?.startsWith("query")) search.set(name, secret.value);
    return { path, url: `${base}${path}${search.size ? `?${search}` : ""}` };
  };
  const draw = () => (url.textContent = `${base}${address().path}${query.value ? `?${query.value}` : ""}`);
  const connect = () => {
    sessionStorage.setItem("ws-console-try", secret.value);
    const protocols = protocol.value ? [protocol.value] : [];
    if (secret.value && place.value === "subprotocol") protocols.push(`bearer.${base64url(secret.value)}`);
    opened(new Try(route, address(), protocols));
  };
  const takes = channel?.security.length > 0;
  fill(card, h3("Connection"),
    h("form", { oninput: draw, onsubmit: (event) => (event.preventDefault(), connect()) },
      h("div", { class: "fields" },
        field("Route", select(model.routes.map((it, at) => [String(at), it.path]), String(index), (event) => {
          choose(Number(event.target.value));
          setupCard(card, Number(event.target.value), choose, opened);
        })),
        names.map((name) => field(name, inputs[name])),
        field("Query", query),
        route.subprotocols.length > 0 && field("Subprotocol", protocol),
        places.length > 0 && field("Token", secret),
        places.length > 0 && field("The token is sent as", place)),
      h("p", { class: "small" }, url),
      takes && h("p", { class: "small dim" }, "The middleware of this route reads a token: ", channel.security.map((it) => it.kind + (it.name ? ` ${it.name}` : "")).join(", "), ". A browser cannot set headers."),
      takes && !places.length && note("warn", "A browser cannot send such a token. Use another client, or accept it in the query or as a subprotocol."),
      serverOf(route.server)?.refuses_console && note("warn", "The server refuses pages of the console: its ", code("[servers.origin]"), " does not list ", code(location.origin), "."),
      base ? h("button", { class: "main" }, "Connect") : note("warn", "This server is not bound by the program itself, so its address is not known.")));
  draw();
}

const base64url = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function queryExample(channel) {
  const value = channel?.query?.is_required ? channel.query.example : undefined;
  const pairs = Object.entries(value ?? {}).filter(([, it]) => it !== null && typeof it !== "object");
  return new URLSearchParams(pairs).toString();
}

/** The places of a token that a page can fill. */
function tokenPlaces(channel, route) {
  const security = channel?.security ?? [];
  const places = [];
  const isOpen = security.length === 0 && route.middleware.length > 0;
  if ((isOpen || security.some((it) => it.kind === "subprotocol")) && route.subprotocols.some((it) => it !== "msgpack")) places.push({ key: "subprotocol", text: "subprotocol bearer.…" });
  for (const { kind, name } of security) if (kind === "query") places.push({ key: `query ${name}`, name, text: `query ${name}=…` });
  if (isOpen) places.push({ key: "query token", name: "token", text: "query token=…" });
  return places;
}

/** One connection of this page. */
class Try {
  frames = [];
  calls = new Map();
  status = "connecting";
  lastRef = 0;
  changed = () => {};

  constructor(route, { url, path }, protocols) {
    this.route = route;
    this.channel = channelOf(route);
    this.path = path;
    this.began = performance.now();
    try {
      this.socket = new WebSocket(url, protocols);
    } catch (error) {
      this.status = "closed";
      return void this.keep("opened", String(error.message ?? error));
    }
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.status = "open";
      const { protocol } = this.socket;
      this.keep("opened", `open after ${span((performance.now() - this.began) / 1000)}${protocol ? `, subprotocol ${protocol}` : ""}`);
    };
    this.socket.onmessage = ({ data }) => this.receive(data);
    this.socket.onclose = ({ code, reason }) => {
      const wasOpen = this.status === "open" || this.status === "closing";
      this.status = "closed";
      if (wasOpen) this.keep("close", `${code}${closeText(code) ? ` (${closeText(code)})` : ""}${reason ? `: ${reason}` : ""}`, { code });
      else this.keep("close", "The handshake was refused; a browser hides the reason. “Live” lists it under “Lately”, with the reason. Does the route need a token?", { code });
    };
  }

  receive(data) {
    if (typeof data !== "string") {
      const bytes = new Uint8Array(data);
      const hex = [...bytes.slice(0, 256)].map((it) => it.toString(16).padStart(2, "0")).join(" ");
      return this.keep("in", `${size(bytes.length)}: ${hex}`, { label: "binary" });
    }
    const message = parse(data);
    const event = typeof message?.event === "string" ? message.event : undefined;
    const call = this.calls.get(message?.ref);
    const isAsk = typeof message?.ref === "string" && message.ref.startsWith("ask:");
    const more = { label: event, isFault: event === "error" };
    if (call) {
      const after = span((performance.now() - call.at) / 1000);
      more.pair = event === "error" ? `refuses #${message.ref} after ${after}` : event === "end" ? `ends #${message.ref} after ${after}` : `reply to #${message.ref} after ${after}`;
      call.frame.state = event === "error" ? `refused: ${message.data?.code}` : "answered";
    }
    if (isAsk) more.ask = message;
    this.keep("in", data, more);
  }

  send(text) {
    if (this.status !== "open") return say("The connection is not open.");
    this.socket.send(text);
    const message = parse(text);
    const frame = this.keep("out", text, { label: typeof message?.event === "string" ? message.event : undefined });
    if (message?.ref !== undefined && !String(message.ref).startsWith("ask:")) {
      frame.pair = `call #${message.ref}`;
      this.calls.set(message.ref, { at: performance.now(), frame });
      if (this.calls.size > MOST_FRAMES) this.calls.delete(this.calls.keys().next().value);
      this.changed();
    }
  }

  close(code, reason) {
    this.status = "closing";
    this.socket.close(code, reason);
    this.changed();
  }

  keep(kind, text, more = {}) {
    const frame = { kind, text: text.slice(0, 20_000), at: Date.now(), ...more };
    this.frames.push(frame);
    if (this.frames.length > MOST_FRAMES) this.frames.shift();
    this.changed();
    return frame;
  }
}

function talkCard(element, current, wanted, redraw) {
  const events = current.channel?.events ?? [];
  const text = h("textarea", { "aria-label": "Message", spellcheck: "false" });
  const prepare = (name) => {
    const event = events.find((it) => it.name === name);
    text.value = event ? pretty(envelope(event.name, event.data ? event.data.example : undefined, current.lastRef + 1)) : current.draft ?? "hello";
  };
  const options = [...events.map((it) => [it.name]), ["", "free text"]];
  const chosen = current.chosen ?? (events.some((it) => it.name === wanted) ? wanted : events[0]?.name ?? "");
  const pick = select(options, chosen, () => {
    current.chosen = pick.value;
    prepare(pick.value);
  });
  const send = () => {
    const message = parse(text.value);
    if (pick.value && message === undefined) return say("This is not JSON.");
    if (Number.isInteger(message?.ref)) current.lastRef = Math.max(current.lastRef, message.ref);
    current.send(pick.value ? JSON.stringify(message) : text.value);
    if (pick.value && Number.isInteger(message?.ref)) text.value = pretty({ ...message, ref: current.lastRef + 1 });
  };
  const status = h("div", { class: "row" });
  const frames = h("ol", { class: "list frames", tabindex: "0", "aria-label": "Messages of this connection" });
  const sendButton = h("button", { class: "main" }, "Send");
  const answer = (frame) => {
    const push = current.channel?.pushes.find((it) => it.name === frame.ask.event);
    const box = h("textarea", { "aria-label": "Answer", value: pretty(push?.answer?.example ?? null) });
    const reply = (event, data) => {
      frame.ask.isDone = true;
      current.send(JSON.stringify(envelope(event, data, frame.ask.ref)));
    };
    return h("div", { class: "note" }, "The server sent an ask. Answer:", box, h("div", { class: "row" },
      button("Answer", () => (parse(box.value) === undefined ? say("This is not JSON.") : reply(frame.ask.event, parse(box.value))), "main"),
      button("Refuse", () => reply("error", { code: "refused", message: "refused in the console" }))));
  };
  current.changed = () => {
    const kind = { open: "good", connecting: "warn", closing: "warn", closed: "bad" }[current.status];
    fill(status, h("span", { class: `dot ${kind}` }), current.status, mono(current.path),
      current.status === "open" && button("Close", () => current.close(1000, "")),
      current.status === "closed" && button("Remove", () => {
        tries.splice(tries.indexOf(current), 1);
        active = tries.length - 1;
        redraw();
      }));
    sendButton.disabled = current.status !== "open";
    const arrow = { in: "← in", out: "→ out", close: "closed", opened: "opened" };
    fill(frames, current.frames.map((frame) => line(frame.at,
      h("span", { class: frame.isFault || (frame.kind === "close" && frame.code !== 1000) ? "fault" : `${frame.kind} dim` }, arrow[frame.kind]),
      h("div", { class: "what" },
        row(frame.label && h("strong", null, frame.label), frame.pair && chip(frame.pair, frame.isFault ? "bad" : "accent"), frame.state && chip(frame.state, frame.state.startsWith("refused") ? "bad" : "good")),
        frame.kind === "opened" || frame.kind === "close" ? frame.text : h("pre", null, shown(frame.text)),
        frame.ask && !frame.ask.isDone && current.status === "open" && answer(frame)))));
    frames.scrollTop = frames.scrollHeight;
  };
  prepare(chosen);
  fill(element, card(status,
    h("form", { onsubmit: (event) => (event.preventDefault(), send()), onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && send() },
      fields(field("Event", pick)), text,
      h("div", { class: "row apart" }, sendButton, h("span", { class: "small dim" }, "Ctrl + Enter sends"))),
  ), card(frames));
  current.changed();
}

// ---- Live

function livePage(main, page) {
  put(main, h1("Live"), lead("The connections of this process, now. Refreshed every second."));
  const tiles = h("div", { class: "tiles" });
  const connections = h("div", { class: "card" });
  const rooms = h("div", { class: "card" });
  const journal = h("ol", { class: "list" });
  put(main, tiles, h2("Connections"), connections, h2("Rooms"), rooms,
    h2("Lately opened, closed and refused"), card(journal));
  feed({ topic: "live" }, (data) => {
    const list = data.connections;
    const sum = (key) => list.reduce((all, it) => all + it[key], 0);
    fill(tiles, tile(number(data.count), "connections"), tile(number(data.room_count), "rooms"), tile(number(sum("received")), "messages received"), tile(number(sum("sent")), "messages sent"),
      tile(number(sum("dropped")), "messages dropped", sum("dropped") ? "bad" : ""));
    refresh(connections, table([
      ["Connection", (it) => [mono(it.id), !it.is_open && chip("closing", "warn")]],
      ["Route", (it) => mono(it.path)],
      ["User", (it) => it.user ?? none()],
      ["Rooms", (it) => (it.rooms.length ? row(it.rooms.map((name) => chip(name))) : none())],
      ["Peer", (it) => mono(it.peer ?? "unknown")],
      ["Open for", (it) => span(it.seconds), "number"],
      ["In / out", (it) => `${number(it.received)} / ${number(it.sent)}`, "number"],
      ["Outbox", (it) => (it.waiting ? `${it.waiting} (${size(it.waiting_bytes)})` : "empty"), "number"],
      ["Dropped", (it) => (it.dropped ? chip(number(it.dropped), "bad") : "0"), "number"],
      ["", (it) => [
        h("a", { class: "button", href: `#/traffic/${it.id}`, "data-key": `look ${it.id}` }, "Watch"),
        h("button", { type: "button", "data-key": `push ${it.id}`, onclick: () => pushDialog(it, `to ${it.id}`, { id: it.id }) }, "Send"),
        h("button", { type: "button", class: "danger", "data-key": `close ${it.id}`, onclick: () => closeDialog(it) }, "Close")], "acts"],
    ], list, "No open connections. Open one under “Try”."),
    data.count > list.length && h("p", { class: "dim small" }, `The first ${list.length} of ${number(data.count)} are shown.`));
    refresh(rooms, table([
      ["Room", (it) => h("strong", null, it.name)],
      ["Controller", (it) => it.controller],
      ["Members", (it) => number(it.members), "number"],
      ["Who", (it) => row(it.ids.slice(0, 8).map((id) => chip(list.find((other) => other.id === id)?.user ?? id)), it.members > 8 && h("span", { class: "dim" }, `and ${number(it.members - 8)} more`))],
      ["", (it) => h("button", { type: "button", "data-key": `room ${it.controller} ${it.name}`, onclick: () => pushDialog({ controller: it.controller }, `to all in ${it.name}`, { controller: it.controller, room: it.name }) }, "Send"), "acts"],
    ], data.rooms, "No connection is in a room."),
    data.room_count > data.rooms.length && h("p", { class: "dim small" }, `${data.rooms.length} of ${number(data.room_count)} are shown.`));
    fill(journal, data.journal.map(journalLine));
    if (!data.journal.length) put(journal, nothing());
  }, page);
}

function journalLine(it) {
  const kind = { opened: "good", closed: it.code === 1000 || it.code === 1001 ? "" : "warn", refused: "bad" }[it.kind];
  const what = {
    opened: () => [mono(it.path), " from ", mono(it.peer ?? "unknown"), ", connection ", mono(it.id)],
    closed: () => [mono(it.path), " after ", span(it.seconds), ": ", h("strong", null, it.code), ` ${closeText(it.code)}. `, h("span", { class: "dim" }, it.reason, " ", mono(it.id))],
    refused: () => [mono(it.path), " from ", mono(it.peer ?? "unknown"), ": ", h("strong", null, it.status), " ", it.reason],
  }[it.kind];
  return line(it.at, chip(it.kind, kind), h("div", { class: "what" }, what()));
}

function dialog(title, ...content) {
  const element = h("dialog", { "aria-label": title, onclose: () => element.remove() }, h3(title), ...content);
  document.body.append(element);
  element.showModal();
  return element;
}

function closeDialog(connection) {
  const codeInput = h("input", { type: "number", value: 4000, min: 1000, max: 4999 });
  const reason = h("input", { value: "closed in the console", maxlength: 120 });
  const box = dialog(`Close ${connection.id}`, h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      await act(() => post("/api/disconnect", { id: connection.id, code: Number(codeInput.value), reason: reason.value }), () => `${connection.id} is closing`);
      box.close();
    },
  }, fields(field("Code (RFC 6455; your own from 4000)", codeInput), field("Reason, sent to the client", reason)),
  row(h("button", { class: "main" }, "Close the connection"), button("Cancel", () => box.close()))));
}

function pushDialog({ server, route, controller }, title, target) {
  const channel = model.channels.find((it) => (route ? it.server === server && it.address === route : it.name === controller));
  const events = channel?.pushes.filter((it) => !it.answer) ?? [];
  const text = h("textarea", { "aria-label": "Message" });
  const pick = select([...events.map((it) => [it.name]), ["", "free text"]], events[0]?.name ?? "", () => prepare());
  const prepare = () => {
    const event = events.find((it) => it.name === pick.value);
    text.value = event ? pretty(event.data.example) : "hello from the console";
  };
  prepare();
  const box = dialog(`Send ${title}`, h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      const data = parse(text.value);
      if (pick.value && data === undefined) return say("This is not JSON.");
      const message = pick.value ? { event: pick.value, data } : { text: text.value };
      await act(() => post("/api/push", { ...target, ...message }), ({ sent, full, gone }) => `sent to ${sent}${full ? `, ${full} outboxes were full` : ""}${gone ? `, ${gone} were gone` : ""}`);
      box.close();
    },
  }, fields(field("Event", pick)), field("Data", text), h("p", null),
  row(h("button", { class: "main" }, "Send"), button("Cancel", () => box.close()))));
}

async function act(work, text) {
  try {
    say(text(await work()));
  } catch (error) {
    say(error.message || "The program does not answer.");
  }
}

// ---- Traffic

function trafficPage(main, id, page) {
  put(main, h1("Traffic"));
  if (!id) {
    put(main, lead("Shows the messages of one connection, from the moment you choose it."));
    const list = h("div", { class: "card" });
    put(main, list);
    return void feed({ topic: "live" }, (data) => refresh(list, table([
      ["Connection", (it) => mono(it.id)],
      ["Route", (it) => mono(it.path)],
      ["User", (it) => it.user ?? none()],
      ["In / out", (it) => `${number(it.received)} / ${number(it.sent)}`, "number"],
      ["", (it) => h("a", { class: "button", href: `#/traffic/${it.id}`, "data-key": it.id }, "Watch"), "acts"],
    ], data.connections, "No open connections. Open one under “Try”.")), page);
  }
  put(main, lead("The messages of ", mono(id), ", as the server reads and queues them. Messages from before are not kept; the last 200 are shown, 1 KiB of each."));
  const status = h("div", { class: "row apart" });
  const frames = h("ol", { class: "list frames", tabindex: "0", "aria-label": "Messages" });
  let messages = [];
  let isPaused = false;
  const pause = button("Pause", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) draw();
  });
  const label = h("span", { class: "row" });
  put(status, label, row(pause, button("Clear", () => {
    messages = [];
    draw();
  }), link("All connections", "#/traffic")));
  put(main, card(status), card(frames));
  const draw = () => {
    const isAtEnd = frames.scrollTop + frames.clientHeight >= frames.scrollHeight - 40;
    fill(frames, messages.map((it) => line(it.at,
      h("span", { class: it.kind === "close" ? "fault" : `${it.direction} dim` }, it.direction === "in" ? "← in" : "→ out"),
      h("div", { class: "what" }, h("div", { class: "row small dim" }, it.kind === "close" ? `close ${it.code ?? "without a code"} ${closeText(it.code)}` : `${it.kind}, ${size(it.size)}`, it.is_cut && chip("cut", "warn")),
        it.text && h("pre", null, it.is_cut ? it.text : shown(it.text))))));
    if (!messages.length) put(frames, nothing());
    if (isAtEnd) frames.scrollTop = frames.scrollHeight;
  };
  draw();
  feed({ topic: "traffic", id }, (data) => {
    if (data.error) return void fill(label, h("span", { class: "dot bad" }), data.error);
    fill(label, h("span", { class: `dot ${data.has_ended ? "bad" : "good"}` }), data.has_ended ? "the connection has ended" : "watching");
    messages = [...messages, ...data.messages].slice(-200);
    if (!isPaused) draw();
  }, page);
}

// ---- Log

const LEVELS = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

function logPage(main, page) {
  put(main, h1("Log"), lead("The last 1000 lines that the program has logged, newest first."));
  const body = h("div");
  put(main, body);
  let lines = [];
  let list;
  const level = select([...LEVELS.map((it) => [it, `${it.toLowerCase()} and above`])], "TRACE", () => draw());
  const words = h("input", { type: "search", placeholder: "text, target or connection", oninput: () => draw(), "aria-label": "Filter" });
  const draw = () => {
    const wanted = words.value.toLowerCase();
    const most = LEVELS.indexOf(level.value);
    const isWanted = (it) => LEVELS.indexOf(it.level) <= most && (!wanted || JSON.stringify(it).toLowerCase().includes(wanted));
    const some = lines.filter(isWanted).reverse();
    fill(list, some.map((it) => line(it.at, chip(it.level.toLowerCase(), { ERROR: "bad", WARN: "warn", INFO: "accent" }[it.level] ?? ""),
      h("div", { class: "what" }, it.message, " ", it.fields.map(([name, value]) => [h("span", { class: "dim" }, `${name}=`), mono(value), " "]),
        h("span", { class: "dim small" }, it.target, it.connection && [" ", h("a", { href: `#/traffic/${it.connection}` }, it.connection)])))));
    if (!some.length) put(list, nothing(lines.length ? "no such line" : undefined));
  };
  feed({ topic: "log" }, (data) => {
    if (!data.has_layer) {
      return void fill(body, note("warn", "The program does not give its log to the console. Add the layer to its subscriber:"),
        h("pre", null, "use tracing_subscriber::{EnvFilter, fmt, prelude::*};\n\ntracing_subscriber::registry()\n    .with(EnvFilter::from_default_env())\n    .with(fmt::layer())\n    .with(ws_core::console::log_layer())\n    .init();"));
    }
    if (!list) {
      list = h("ol", { class: "list log" });
      fill(body, fields(field("Level", level), field("Filter", words)), card(list));
    }
    lines = [...lines, ...data.lines].slice(-1000);
    draw();
  }, page);
}

// ---- Metrics

function metricsPage(main, page) {
  put(main, h1("Metrics"), lead("The counters of this process since its start."));
  const body = h("div");
  put(main, body);
  feed({ topic: "metrics" }, (data) => {
    const routes = data.stats.servers.flatMap((server) => server.routes.map((it) => ({ ...it, server: server.name })));
    const statuses = (list) => list.map((it) => chip(`${it.status === 101 ? "accepted" : it.status}: ${number(it.count)}`, it.status === 101 ? "good" : "bad"));
    const total = (pick) => routes.reduce((all, it) => all + pick(it), 0);
    const refused = (list) => list.reduce((all, it) => all + (it.status === 101 ? 0 : it.count), 0);
    const unmatched = data.stats.servers.reduce((all, it) => all + refused(it.unmatched), 0);
    const errors = total((it) => it.events.reduce((all, event) => all + event.error + event.panic + event.timeout, 0));
    const bad = (count) => (count ? "bad" : "");
    const cells = (it) => `${number(it.text.messages + it.binary.messages)} (${size(it.text.bytes + it.binary.bytes)})`;
    const refusals = total((it) => refused(it.handshakes)) + unmatched;
    refresh(body, h("div", { class: "tiles" },
      tile(data.stats.is_draining ? "draining" : data.stats.is_ready ? "ready" : "not ready", "state", data.stats.is_ready && !data.stats.is_draining ? "good" : "warn"),
      tile(number(total((it) => it.connections)), "connections"), tile(number(refusals), "refused handshakes", bad(refusals)), tile(number(errors), "failed events", bad(errors)),
      tile(number(total((it) => it.outbox_full)), "outboxes full", bad(total((it) => it.outbox_full)))),
    h2("Routes"), card(table([
      ["Route", (it) => mono(it.path)],
      ["Open", (it) => number(it.connections), "number"],
      ["Handshakes", (it) => row(statuses(it.handshakes))],
      ["Received", (it) => cells(it.received), "number"],
      ["Sent", (it) => cells(it.sent), "number"],
      ["Over the rate", (it) => number(it.rate_limited), "number"],
      ["Silent peers", (it) => number(it.heartbeat_lost), "number"],
      ["Ended", (it) => row(it.closed.map((end) => chip(`${end.code} ${end.cause}: ${number(end.count)}`, end.code === "1000" || end.code === "1001" ? "" : "warn", closeText(Number(end.code)))))],
    ], routes, "No routes.")),
    unmatched > 0 && h("p", { class: "row small" }, "Without a route:", data.stats.servers.flatMap((it) => statuses(it.unmatched))),
    h2("Events"), card(table([
      ["Event", (it) => h("strong", null, it.name)],
      ["Route", (it) => mono(it.path)],
      ["Ok", (it) => number(it.ok), "number"],
      ["Failed", (it) => (it.error ? chip(number(it.error), "bad") : "0"), "number"],
      ["Panicked", (it) => (it.panic ? chip(number(it.panic), "bad") : "0"), "number"],
      ["Too slow", (it) => (it.timeout ? chip(number(it.timeout), "bad") : "0"), "number"],
      ["Codes", (it) => row(it.errors.map((error) => chip(`${error.code}: ${number(error.count)}`, "warn")))],
    ], routes.flatMap((route) => route.events.filter((it) => it.name !== "unknown" || it.error || it.ok).map((it) => ({ ...it, path: route.path }))), "No event was handled.")),
    routes.some((it) => it.asks.length) && [h2("Asks of clients"), card(table([
      ["Event", (it) => h("strong", null, it.name)],
      ["Answered", (it) => number(it.ok), "number"],
      ["Refused", (it) => number(it.refused), "number"],
      ["Too late", (it) => number(it.timeout), "number"],
      ["Failed", (it) => number(it.error), "number"],
    ], routes.flatMap((it) => it.asks), ""))]);
  }, page);
}

// ---- Cluster

const STATES = {
  alone: ["alone", "", "This process is alone: it has no [cluster]."],
  joining: ["joining", "warn", "The broker was not reached since the start. The program reaches only its own clients."],
  up: ["up", "good", "Messages go to and come from the other nodes."],
  down: ["down", "bad", "The broker cannot be reached. Clients of this node stay connected and reach each other; messages to other nodes are not sent."],
};

function clusterPage(main, page) {
  put(main, h1("Cluster"));
  const body = h("div");
  put(main, body);
  feed({ topic: "cluster" }, (data) => {
    const [name, kind, text] = STATES[data.state];
    fill(body, lead(text));
    if (data.state === "alone") {
      put(body, "With a broker, several processes serve the same rooms and users:",
        h("pre", null, '[cluster]\nkind = "redis"  # or "nats"\nurl = "redis://127.0.0.1:6379"'),
        h("p", { class: "dim" }, "Then this page lists the nodes. If a node ends, its clients connect to another one, and the line “is gone” appears here after ", code("node_timeout"),
          ". If the broker ends, each node continues alone, the state is “down”, and when it is back a gap tells how long messages may be missing."));
      return;
    }
    const { stats } = data;
    put(body, h("div", { class: "tiles" }, tile(name, data.down_seconds === null ? "link to the broker" : `for ${span(data.down_seconds)}`, kind), tile(data.nodes.length, "nodes"),
      tile(number(data.nodes.reduce((all, it) => all + it.connections, 0)), "connections on all nodes"), tile(number(stats.reconnects), "links made again", stats.reconnects ? "warn" : ""),
      tile(number(stats.dropped + stats.refused + stats.lost), "messages lost", stats.dropped + stats.refused + stats.lost ? "bad" : "")),
    h2("Nodes"), card(table([
      ["Node", (it) => [h("strong", null, it.name), it === data.nodes[0] && chip("this one", "accent")]],
      ["Id", (it) => mono(it.id)],
      ["Connections", (it) => number(it.connections), "number"],
      ["Last heartbeat", (it) => (it === data.nodes[0] ? "now" : `${span(it.seen_seconds_ago)} ago`), "number"],
    ], data.nodes, "No node is known.")),
    h2("Lately"), card(h("ol", { class: "list" }, data.changes.map((it) => line(it.at,
      chip(it.kind, { up: "good", joined: "good", down: "bad", died: "bad", lost: "bad", gap: "warn", incompatible: "bad" }[it.kind] ?? ""), h("div", { class: "what" }, it.text))),
    !data.changes.length && nothing())),
    h2("Counters of the link"), card(h("div", { class: "scroll" }, h("table", null, h("tbody", null, Object.entries(stats).map(([key, value]) => h("tr", null,
      h("td", null, key.replace("_", " ")), h("td", { class: "number" }, key === "worst_echo" ? span(value) : number(value)))))))));
  }, page);
}

// ---- The frame

const PAGES = {
  routes: ["Routes", routesPage],
  events: ["Events", (main, [channel]) => eventsPage(main, channel)],
  try: ["Try", (main, [route, event], page) => tryPage(main, route, event && decodeURIComponent(event), page)],
  live: ["Live", (main, _, page) => livePage(main, page)],
  traffic: ["Traffic", (main, [id], page) => trafficPage(main, id, page)],
  log: ["Log", (main, _, page) => logPage(main, page)],
  metrics: ["Metrics", (main, _, page) => metricsPage(main, page)],
  cluster: ["Cluster", (main, _, page) => clusterPage(main, page)],
};

let page = new AbortController();

function go() {
  if (/^#token=/.test(location.hash)) return void start();
  if (!model || location.hash === "#main") return;
  page.abort();
  page = new AbortController();
  const [name, ...rest] = location.hash.replace(/^#\//, "").split("/");
  const key = PAGES[name] ? name : "routes";
  for (const item of $("nav").children) {
    if (item.dataset.page === key) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  $("nav").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  const [title, draw] = PAGES[key];
  document.title = `${title} · ${model.title}`;
  const main = fill($("main"));
  draw(main, rest, page);
  // Pages without a feed show the number of connections, too.
  if (["routes", "events", "try"].includes(key)) feed({ topic: "count" }, () => {}, page);
  window.scrollTo(0, 0);
}

function locked() {
  page.abort();
  model = undefined;
  fill($("nav"));
  state("bad", "locked");
  fill($("main"), h1("The console needs its token"),
    h("p", null, "Open the address that the program printed at its start. It ends with ", code("#token=…"), "."),
    h("p", { class: "dim" }, "The token is new at each start of the program."));
}

async function start() {
  state("", "loading");
  try {
    if (!token()) return locked();
    model = await (await ask("/api/model")).json();
  } catch (error) {
    if (error instanceof NoToken) return locked();
    state("bad", "the program does not answer");
    return void setTimeout(start, 1000);
  }
  $("title").textContent = model.title;
  $("version").textContent = model.version;
  fill($("nav"), Object.entries(PAGES).map(([key, [title]]) => h("a", { href: `#/${key}`, "data-page": key }, title)));
  go();
}

addEventListener("hashchange", go);
start();
