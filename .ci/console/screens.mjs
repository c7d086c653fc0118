// Takes screenshots of every page: light, dark and narrow. usage: node screens.mjs FOLDER

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

import { Browser } from "../chromium.mjs";
import { Demo, tokenOf } from "../demo.mjs";
import { connect, send, show } from "./pages.mjs";

const folder = process.argv[2];
await mkdir(folder, { recursive: true });
const demo = await Demo.start({ RUST_LOG: "info,ws_core=debug" }, "ignore");
const browser = await Browser.start();
try {
  const tab = await browser.open(demo.console);
  await tab.until("document.querySelector('main h1')");
  await show(tab, "#/try");
  await connect(tab, "/wss/rooms/{room}", { values: { room: "lobby" }, token: tokenOf(1) });
  await tab.until("document.querySelector('main .frames').innerText.includes('welcome')");
  await connect(tab, "/wss/rooms/{room}", { values: { room: "lobby" }, token: tokenOf(2) });
  await tab.until("document.querySelector('main .frames').innerText.includes('welcome')");
  await send(tab, "say", 'message.data = { text: "hello" }');
  await tab.until("document.querySelector('main .frames').innerText.includes('reply')");
  await send(tab, "say", 'message.data = { text: "" }');
  await send(tab, "history");
  await tab.until("document.querySelector('main .frames').innerText.includes('ends')");
  const id = await (async () => {
    await show(tab, "#/live");
    await tab.until("document.querySelectorAll('main td.acts a').length > 1");
    return tab.run("return document.querySelector('main td.acts a').hash.split('/')[2];");
  })();
  const pages = ["routes", "events", "try", "live", `traffic`, `traffic/${id}`, "log", "metrics", "cluster"];
  for (const [name, look] of Object.entries({ light: { width: 1200 }, dark: { width: 1200, scheme: "dark" }, narrow: { width: 390, height: 844 } })) {
    await tab.look(look);
    for (const page of pages) {
      await tab.run(`location.hash = "#/${page}";`);
      await new Promise((resolve) => setTimeout(resolve, 300));
      if (page.startsWith("traffic/")) {
        const other = await browser.open(demo.console);
        await show(other, "#/live");
        await other.until("document.querySelector('main td.acts button')");
        await other.run("[...document.querySelectorAll('main td.acts button')].find((it) => it.textContent === 'Send').click();");
        await other.run("document.querySelector('dialog form button').click();");
        await other.run("await new Promise((resolve) => setTimeout(resolve, 200));");
      }
      await new Promise((resolve) => setTimeout(resolve, 1200));
      const width = await tab.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth;");
      if (width > 0) console.log(`${name} ${page}: ${width} px too wide`);
      await writeFile(join(folder, `${page.startsWith("traffic/") ? "one-connection" : page}-${name}.png`), await tab.screenshot());
    }
  }
  for (const error of tab.errors) console.log(error);
} finally {
  await browser.stop();
  await demo.stop();
}
