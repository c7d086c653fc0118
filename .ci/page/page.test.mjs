// The page of the demo in Chromium, with the demo as a process of its own.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { after, afterEach, before, test } from "node:test";

import { Browser } from "../chromium.mjs";
import { Demo } from "../demo.mjs";

const SHOTS = process.env.WS_PAGE_SHOTS;
const OPEN = 'document.getElementById("state").dataset.state === "open"';
const NARROW = { width: 390, height: 844 };

let browser;
const demos = new Set();
const visitors = new Set();

before(async () => {
  browser = await Browser.start();
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
});

afterEach(async () => {
  for (const visitor of visitors) await visitor.page.send("Page.close");
  visitors.clear();
  for (const demo of demos) await demo.stop();
  demos.clear();
});

after(() => browser.stop());

async function start(settings) {
  const demo = await Demo.start(settings);
  demos.add(demo);
  return demo;
}

async function restart(demo, settings) {
  const restarted = await demo.restart(settings);
  demos.add(restarted);
  return restarted;
}

/** A tab with the page. */
class Visitor {
  static async open(demo, path = "/") {
    const visitor = new Visitor();
    visitor.page = await browser.open(demo.http + path);
    await visitor.page.look();
    visitors.add(visitor);
    return visitor;
  }

  /** A tab that is logged in, and shows who is online. */
  static async enter(demo, account, path) {
    const visitor = await Visitor.open(demo, path);
    await visitor.click(`[data-account=${account}]`);
    await visitor.isOnline(account);
    return visitor;
  }

  click(selector) {
    return this.page.run(`document.querySelector(${JSON.stringify(selector)}).click();`);
  }

  text(id) {
    return this.page.run(`return document.getElementById("${id}").textContent;`);
  }

  value(id) {
    return this.page.run(`return document.getElementById("${id}").value;`);
  }

  until(expression) {
    return this.page.until(expression);
  }

  /** Waits until an element contains this text. */
  reads(id, text) {
    return this.until(`document.getElementById("${id}").textContent.includes(${JSON.stringify(text)})`);
  }

  isOnline(account) {
    return this.until(`[...document.querySelectorAll("#online b")].some((name) =>
      name.textContent.split(" ")[0] === "${account}")`);
  }

  /** Writes a text into the field of the chat. */
  write(text) {
    return this.page.run(`document.getElementById("text").value = ${JSON.stringify(text)};`);
  }

  async say(text) {
    await this.write(text);
    await this.click("#say button");
  }

  /** Waits until a line is there so many times. */
  sees(text, times = 1) {
    return this.until(`[...document.querySelectorAll("#lines .text")].filter((line) =>
      line.textContent === ${JSON.stringify(text)}).length === ${times}`);
  }

  /** The lines: `> text` for own lines, `name: text` for those of others, `(note)`. */
  lines() {
    return this.page.run(`return [...document.querySelectorAll("#lines li")].map((item) => {
      if (item.className === "event") return "(" + item.textContent + ")";
      const [from, text] = item.children;
      return item.classList.contains("mine") ? "> " + text.textContent : from.textContent + ": " + text.textContent;
    });`);
  }

  /** Fails if an element exceeds a width, in pixels. The content of scrolling boxes may. */
  async fits(width) {
    const wide = await this.page.run(`
      const isWide = (item) => item.getBoundingClientRect().right > ${width} && !item.closest("pre > *");
      return [document.documentElement, ...document.querySelectorAll("body *")]
        .filter((item) => isWide(item) || (item === document.documentElement && item.scrollWidth > ${width}))
        .map((item) => item.tagName + " " + item.id + " " + item.textContent.slice(0, 40));`);
    assert.deepEqual(wide, []);
  }

  async shoot(name) {
    if (!SHOTS) return;
    for (const scheme of ["light", "dark"]) {
      for (const size of [{}, NARROW]) {
        await this.page.look({ scheme, ...size });
        const file = `${name}-${scheme}${size.width ? "-390" : ""}.png`;
        await writeFile(join(SHOTS, file), await this.page.screenshot());
      }
    }
    await this.page.look();
  }
}

test("two users talk, and see who is online", async () => {
  const demo = await start();
  const jerry = await Visitor.enter(demo, "jerry");
  const lily = await Visitor.enter(demo, "lily");
  await jerry.reads("online", "Online: jerry (you), lily");
  await lily.reads("online", "Online: jerry, lily (you)");
  await jerry.reads("lines", "lily joined");
  await jerry.say("hello");
  await lily.sees("hello");
  await lily.say("<img src=x onerror=alert(1)> & <b>bold</b>");
  await jerry.sees("<img src=x onerror=alert(1)> & <b>bold</b>");
  assert.equal(await jerry.page.run('return document.querySelectorAll("#lines img, #lines b").length;'), 0);

  // A line of the same user over HTTP, and one from a second tab.
  assert.equal(await demo.say("jerry", "over HTTP"), 200);
  await jerry.sees("over HTTP");
  const second = await Visitor.enter(demo, "jerry");
  await second.sees("over HTTP");
  await second.say("from my second tab");
  await jerry.sees("from my second tab");
  await lily.sees("from my second tab");
  const lines = ["> hello", "lily: <img src=x onerror=alert(1)> & <b>bold</b>", "> over HTTP", "> from my second tab"];
  const said = (all) => all.filter((line) => !line.startsWith("("));
  assert.deepEqual(said(await jerry.lines()), lines);
  assert.deepEqual(said(await second.lines()), lines, "the history, and then the new line");
  assert.equal((await lily.lines()).at(-1), "jerry: from my second tab");
  await jerry.shoot("chat");

  await lily.click("#logout");
  await jerry.reads("lines", "lily left");
  await jerry.reads("online", "Online: jerry (you)");
  for (const { page } of [jerry, lily, second]) assert.deepEqual(page.errors, []);
});

test("a refused text stays in its field, and its reason and code are shown", async () => {
  const jerry = await Visitor.enter(await start(), "jerry");
  await jerry.say("  ");
  await jerry.reads("say-note", "write something (empty)");
  await jerry.shoot("refused");
  const long = "x".repeat(501);
  await jerry.say(long);
  await jerry.reads("say-note", "501 characters are too many; 500 may be said at once (too_long)");
  assert.equal(await jerry.value("text"), long);
  await jerry.say("short");
  await jerry.sees("short");
  assert.deepEqual([await jerry.text("say-note"), await jerry.value("text")], ["", ""]);
});

test("the page reconnects to a demo that was killed and restarted", async () => {
  const demo = await start();
  const jerry = await Visitor.enter(demo, "jerry");
  await jerry.say("the first line");
  await jerry.sees("the first line");
  await demo.stop("SIGKILL");
  await jerry.reads("trouble-text", "The demo does not answer");
  await jerry.reads("countdown", "Reconnecting");
  assert.equal(await jerry.text("state"), "Reconnecting");
  assert.equal(await jerry.text("online"), "", "the list of users is empty while disconnected");
  await jerry.say("not lost");
  await jerry.reads("say-note", "Your text stays here");
  assert.equal(await jerry.value("text"), "not lost");
  await jerry.shoot("reconnecting");

  // The restarted demo counts from 1 again. The same text with the same number is another line.
  const restarted = await restart(demo);
  await jerry.until(OPEN);
  await jerry.isOnline("jerry");
  assert.equal(await jerry.value("text"), "not lost");
  assert.equal(await jerry.page.run('return document.getElementById("trouble").hidden;'), true);
  await jerry.say("the first line");
  await jerry.sees("the first line", 2);
  await jerry.say("not lost");
  await jerry.sees("not lost");
  assert.deepEqual(await jerry.lines(), ["> the first line", "> the first line", "> not lost"]);

  // It is drained. "Try now" does not wait for the next attempt.
  await restarted.stop("SIGTERM");
  await jerry.until('document.getElementById("state").dataset.state !== "open"');
  await jerry.until('/in [2-9] s/.test(document.getElementById("countdown").textContent)');
  await restart(demo);
  await jerry.click("#retry");
  // The click has started the attempt, or the attempt is over.
  assert.doesNotMatch(await jerry.text("countdown"), /in \d/);
  await jerry.until(OPEN);
});

test("the drain of the demo is shown", async () => {
  const demo = await start();
  const jerry = await Visitor.enter(demo, "jerry");
  // The text is shown for the first delay only, which may be short.
  await jerry.page.run(`window.troubles = [];
    new MutationObserver(() => troubles.push(document.getElementById("trouble-text").textContent))
      .observe(document.getElementById("trouble-text"), { childList: true });`);
  await demo.stop("SIGTERM");
  await jerry.reads("trouble-text", "The demo does not answer");
  const [first] = await jerry.page.run("return troubles;");
  assert.match(first, /^The server is stopping \(1001\)/);
});

test("a disconnected user connects again, and gets the missed lines once", async () => {
  const demo = await start();
  const [jerry, lily] = [await Visitor.enter(demo, "jerry"), await Visitor.enter(demo, "lily")];
  await jerry.isOnline("lily");
  await jerry.say("one");
  await lily.sees("one");
  const headers = { Authorization: `Bearer ${await demo.login("admin")}` };
  await fetch(`${demo.http}/users/jerry`, { method: "DELETE", headers });
  await jerry.reads("trouble-text", "Closed: disconnected by the admin (4403)");
  assert.equal(await jerry.text("state"), "Closed");
  await jerry.shoot("closed");
  await lily.say("two");
  await lily.sees("two");
  assert.equal(await jerry.text("retry"), "Connect again");
  await jerry.click("#retry");
  await jerry.sees("two");
  await lily.say("three");
  await jerry.sees("three");
  assert.deepEqual(await jerry.lines(), ["(lily joined)", "> one", "lily: two", "lily: three"]);
});

test("a line whose reply is lost stays in its field, and is not sent again", async () => {
  const demo = await start();
  const jerry = await Visitor.enter(demo, "jerry");
  // A stopped process reads nothing: the call waits, and its reply never arrives.
  await demo.pause();
  await jerry.say("lost");
  await demo.stop("SIGKILL");
  await jerry.reads("say-note", "the line may have been said");
  assert.equal(await jerry.value("text"), "lost");
  const restarted = await restart(demo);
  await jerry.until(OPEN);
  await restarted.say("jerry", "after it");
  await jerry.sees("after it");
  assert.equal(await jerry.value("text"), "lost");
  assert.deepEqual(await jerry.lines(), ["> after it"]);
});

test("an expired token leads to the login, and the chat continues after it", async () => {
  const demo = await start({ WS_DEMO_TOKEN_TTL: "1" });
  const jerry = await Visitor.enter(demo, "jerry");
  await jerry.say("before");
  await jerry.sees("before");
  await jerry.write("half a sen");
  await jerry.reads("login-note", "Log in again to go on");
  assert.equal(await jerry.text("state"), "Not logged in");
  assert.equal(await jerry.page.run("return document.activeElement.textContent;"), "Log in");
  await jerry.shoot("expired");
  // The later tokens do not expire during the test, also on a slow machine.
  await demo.stop();
  await restart(demo, { WS_DEMO_TOKEN_TTL: "600" });
  await jerry.page.press("Enter");
  await jerry.until(OPEN);
  await jerry.until('document.getElementById("entrance").hidden');
  assert.equal(await jerry.value("text"), "half a sen");
  await jerry.page.type("tence");
  await jerry.page.press("Enter");
  await jerry.sees("half a sentence");
  assert.deepEqual(await jerry.lines(), ["> before", "> half a sentence"]);
});

test("a token that the demo no longer accepts leads to the login", async () => {
  const demo = await start();
  const jerry = await Visitor.enter(demo, "jerry");
  await demo.stop("SIGKILL");
  await restart(demo, { JWT_SECRET: "another secret, of no less than 32 bytes" });
  await jerry.reads("login-note", "the demo was restarted");
  await jerry.click("#login button");
  await jerry.until(OPEN);
});

test("a visitor sees the welcome, and a message when the demo has ended", async () => {
  const demo = await start();
  const visitor = await Visitor.open(demo);
  await visitor.reads("welcome", "log in there as");
  await visitor.shoot("greeting");
  await visitor.page.run('document.querySelector("#login [name=password]").value = "wrong";');
  await visitor.click("#login button");
  await visitor.reads("login-note", "Unknown account or wrong password (40103)");
  await demo.stop();
  await visitor.click("#login button");
  await visitor.reads("login-note", "The demo does not answer. Is it still running?");
  await visitor.shoot("stopped");
  await restart(demo);
  await visitor.click("[data-account=jerry]");
  await visitor.until(OPEN);
});

test("frames are shown on demand, both ways, and long ones are cut", async () => {
  const jerry = await Visitor.enter(await start(), "jerry");
  const rows = () => jerry.page.run('return [...document.querySelectorAll("#frames li")].map((row) => row.textContent);');
  assert.deepEqual(await rows(), []);
  await jerry.click("#frames summary");
  await jerry.until('document.querySelectorAll("#frames li").length >= 3');
  const text = "long ".repeat(100).trim();
  await jerry.say(text);
  await jerry.sees(text);
  const shown = await rows();
  assert.ok(shown.some((row) => /^\d\d:\d\d:\d\d\.\d{3}↓ received\{"event":"welcome"/.test(row)), shown.join("\n"));
  assert.match(shown.at(-2), /↑ sent\{"event":"say".*… \(\d{3} characters\)$/);
  assert.match(shown.at(-1), /↓ received\{"event":"said".{200,}… \(\d{3} characters\)$/);
  await jerry.shoot("frames");
  // More than 200 are not kept.
  await jerry.page.run(`for (let sent = 0; sent < 110; sent += 1) {
    document.getElementById("text").value = "line " + sent;
    document.getElementById("say").requestSubmit();
  }`);
  await jerry.sees("line 109");
  assert.equal((await rows()).length, 200);
  assert.equal(await jerry.text("frames-count"), "(200)");
});

test("another room has its own lines", async () => {
  const demo = await start();
  const jerry = await Visitor.enter(demo, "jerry");
  await jerry.say("in the lobby");
  await jerry.sees("in the lobby");
  await jerry.page.run('document.querySelector("#place input").value = "café & co";');
  await jerry.click("#place button");
  await jerry.isOnline("jerry");
  assert.deepEqual([await jerry.text("chat-title"), await jerry.lines()], ["#café & co", []]);
  const lily = await Visitor.enter(demo, "lily", "/#caf%C3%A9%20%26%20co");
  await lily.say("here");
  await jerry.sees("here");
  await jerry.page.run('document.querySelector("#place input").value = "..";');
  await jerry.click("#place button");
  await jerry.reads("say-note", "A room cannot be called");
});

test("the other routes take plain text", async () => {
  const visitor = await Visitor.open(await start());
  const choose = async (route) => {
    await visitor.page.run(`document.querySelector("#dial select").value = "${route}";`);
    await visitor.click("#dial button");
  };
  const send = async (text) => {
    await visitor.page.run(`document.getElementById("plain-text").value = "${text}";`);
    await visitor.click("#send button");
  };
  await choose("/wss/echo");
  await visitor.reads("dial-note", "Connected");
  await send("<i>hello</i>");
  await visitor.reads("plain", "← <i>hello</i>");
  await visitor.click("#dial button");
  await visitor.reads("dial-note", "Closed: the connection was closed (1000)");
  await choose("/wss/demo");
  await visitor.reads("dial-note", "This route needs a login");
  await choose("/wss/late");
  await visitor.reads("dial-note", "(4401)");
  await visitor.click("[data-account=jerry]");
  await visitor.until(OPEN);
  await choose("/wss/late");
  await visitor.reads("plain", "← Authorization Success");
  await visitor.click("#dial button");
  await visitor.reads("dial-note", "(1000)");
  await choose("/wss/demo");
  await visitor.reads("dial-note", "Connected");
  await send("nihao");
  await visitor.reads("dial-note", "jerry 已由服务端断开连接 (1000)");
});

test("it fits into 390 pixels, and all fields have names", async () => {
  const demo = await start();
  const visitor = await Visitor.open(demo);
  await visitor.page.look(NARROW);
  await visitor.fits(NARROW.width);
  await visitor.click("[data-account=jerry]");
  await visitor.isOnline("jerry");
  const long = "x".repeat(400);
  await visitor.say(long);
  await visitor.sees(long);
  await visitor.page.run('for (const panel of document.querySelectorAll("details")) panel.open = true;');
  await visitor.fits(NARROW.width);
  await demo.stop();
  await visitor.reads("trouble-text", "The demo does not answer");
  await visitor.fits(NARROW.width);
  const nameless = await visitor.page.run(`
    const fields = [...document.querySelectorAll("input, select")].filter((field) => field.labels.length === 0);
    const areas = [...document.querySelectorAll("[tabindex], section, [role=log]")]
      .filter((area) => !area.ariaLabel && !area.hasAttribute("aria-labelledby"));
    return [...fields, ...areas].map((element) => element.outerHTML.slice(0, 80));`);
  assert.deepEqual(nameless, []);
  const { nodes } = await visitor.page.send("Accessibility.getFullAXTree");
  const buttons = nodes.filter(({ ignored, role }) => !ignored && role.value === "button");
  assert.ok(buttons.length >= 6, `${buttons.length} buttons`);
  for (const { name } of buttons) assert.ok(name.value, "a button without a name");
});
