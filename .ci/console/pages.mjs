// Steps on the pages of the console, shared by the test and the pictures.

/** Goes to a page and waits until it is drawn. */
export async function show(tab, hash) {
  await tab.run(`location.hash = ${JSON.stringify(hash)};`);
  const [, name] = hash.split("/");
  await tab.until(`document.querySelector('nav a[aria-current]')?.dataset.page === ${JSON.stringify(name)}`);
}

/** Opens a connection under "Try". `path` is the pattern of a route. */
export async function connect(tab, path, { values = {}, token = "", query = "" } = {}) {
  const index = await tab.run(`
    const options = [...document.querySelectorAll("main select option")];
    return options.find((it) => it.textContent === ${JSON.stringify(path)})?.value;`);
  await tab.run(`
    const choose = document.querySelector("main section select");
    choose.value = ${JSON.stringify(index)};
    choose.dispatchEvent(new Event("change"));`);
  const before = await tab.run(`return document.querySelectorAll("main .two > div > .row button").length;`);
  await tab.run(`
    const set = (label, value) => {
      const found = [...document.querySelectorAll("main form label")].find((it) => it.firstChild.textContent === label);
      const control = found.querySelector("input, select");
      control.value = value;
      control.dispatchEvent(new Event("input", { bubbles: true }));
    };
    for (const [label, value] of Object.entries(${JSON.stringify(values)})) set(label, value);
    if (${JSON.stringify(token)}) set("Token", ${JSON.stringify(token)});
    if (${JSON.stringify(query)}) set("Query", ${JSON.stringify(query)});
    [...document.querySelectorAll("main form button")].find((it) => it.textContent === "Connect").click();`);
  await tab.until(`document.querySelectorAll("main .two > div > .row button").length > ${before}`);
}

/** Sends a message of the connection that is shown. */
export async function send(tab, event, change = "") {
  await tab.run(`
    const pick = [...document.querySelectorAll("main form label")].find((it) => it.firstChild.textContent === "Event").querySelector("select");
    pick.value = ${JSON.stringify(event)};
    pick.dispatchEvent(new Event("change"));
    const text = document.querySelector("main form textarea");
    ${change && `const message = JSON.parse(text.value); ${change}; text.value = JSON.stringify(message);`}
    [...document.querySelectorAll("main form button")].find((it) => it.textContent === "Send").click();`);
}

export const text = (tab) => tab.run("return document.querySelector('main').innerText;");
