// The page: the login, the choice of the room, and the parts of the page together.

import { Chat } from "./chat.js";
import { base, login, whoami } from "./demo.js";
import { Plain } from "./plain.js";
import { find, note, show } from "./view.js";

/** The longest name of a room, in characters. */
const NAME_CHARACTERS = 32;

/** The login of this tab. Nothing is stored: each tab may have another account. */
const session = { account: undefined, token: undefined };

const chat = new Chat(() => {
  showEntrance("Your login has expired, or the demo was restarted. Log in again to go on.", "bad");
  find("login").querySelector("button").focus();
});
new Plain(session);

find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const { account, password } = event.target.elements;
  logIn(account.value, password.value);
});

for (const button of document.querySelectorAll("[data-account]")) {
  button.addEventListener("click", () => {
    const { account, password } = find("login").elements;
    account.value = button.dataset.account;
    password.value = `${button.dataset.account}-demo`;
    find("login").requestSubmit();
  });
}

find("logout").addEventListener("click", () => {
  chat.leave();
  Object.assign(session, { account: undefined, token: undefined });
  find("chat").hidden = true;
  find("me").hidden = true;
  find("welcome").hidden = false;
  showEntrance("You are logged out.");
  showCommands();
  find("login").elements.account.focus();
});

find("place").addEventListener("submit", (event) => {
  event.preventDefault();
  const place = event.target.elements.room.value.trim();
  if (place === "") return;
  history.replaceState(null, "", `#${encodeURIComponent(place)}`);
  enter();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  // Browsers offer the clipboard to secure pages only.
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(find(button.dataset.copy).textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => (button.textContent = "Copy"), 2_000);
  });
}

async function logIn(account, password) {
  const buttons = find("entrance").querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  note("login-note", "Logging in …");
  try {
    const token = await login(account, password);
    Object.assign(session, { token, account: await whoami(token) });
    note("login-note", "");
    enter();
  } catch (error) {
    note("login-note", error.message, "bad");
  }
  for (const button of buttons) button.disabled = false;
}

function enter() {
  const place = placeOfAddress();
  find("place").elements.room.value = place;
  show("me-name", session.account);
  find("me").hidden = false;
  find("entrance").hidden = true;
  find("chat").hidden = false;
  document.title = `${session.account} in #${place}`;
  showCommands();
  chat.enter(place, session);
  find("text").focus();
}

/** Shows the login. The chat keeps its lines and the typed text. */
function showEntrance(text, kind) {
  find("entrance").hidden = false;
  find("welcome").hidden = !find("chat").hidden;
  note("login-note", text, kind);
}

function placeOfAddress() {
  try {
    const place = decodeURIComponent(location.hash.slice(1)).trim();
    return [...place].slice(0, NAME_CHARACTERS).join("") || "lobby";
  } catch {
    return "lobby";
  }
}

function showCommands() {
  const token = session.token ?? "TOKEN";
  const bearer = `"Authorization: Bearer ${token}"`;
  const say = `${location.origin}/rooms/${encodeURIComponent(placeOfAddress())}/say`;
  find("command-hint").hidden = session.token !== undefined;
  show("command-http", `curl ${say} -H ${bearer} -H 'Content-Type: application/json' -d '{"text":"over HTTP"}'`);
  show("command-ws", `npx wscat -s demo.v1 -H ${bearer} -c ${base}/wss/demo`);
}

find("second-tab").href = `/${location.hash}`;
showCommands();
