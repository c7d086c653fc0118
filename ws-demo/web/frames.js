// The panel of the messages on the wire.

import { element, find, growing, show } from "./view.js";

/** The frames that are kept. */
const FRAMES = 200;
/** The characters of a frame that are shown. */
const CHARACTERS = 300;

const panel = find("frames");
const list = panel.querySelector("ol");
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
let kept = [];

/** Keeps a frame, and shows it if the panel is open. */
export function addFrame(direction, text) {
  kept.push({ direction, text: cut(text), time: new Date() });
  kept = kept.slice(-FRAMES);
  show("frames-count", `(${kept.length})`);
  if (panel.open) growing(list, list, FRAMES, () => list.append(row(kept.at(-1))));
}

panel.addEventListener("toggle", () => {
  list.replaceChildren(...(panel.open ? kept.map(row) : []));
  list.scrollTop = list.scrollHeight;
});

function row({ direction, text, time }) {
  const item = document.createElement("li");
  const stamp = element("time", "", `${clock.format(time)}.${String(time.getMilliseconds()).padStart(3, "0")}`);
  stamp.dateTime = time.toISOString();
  const arrow = direction === "sent" ? "↑ sent" : "↓ received";
  item.append(stamp, element("span", direction, arrow), element("span", "text", text));
  return item;
}

function cut(text) {
  if (text.length <= CHARACTERS) return text;
  return `${text.slice(0, CHARACTERS)}… (${text.length} characters)`;
}
