// Small helpers for elements. Text from elsewhere goes into `textContent`, never into markup.

export function find(id) {
  return document.getElementById(id);
}

/** Returns an element with a class and a text. */
export function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Shows a note of this kind: `good`, `bad` or none. */
export function note(id, text, kind = "") {
  const place = find(id);
  place.textContent = text;
  place.className = `note ${kind}`;
}

/** Shows a text. A text that does not change is not announced again. */
export function show(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}

/** Adds to a list by a function. If its end was visible, it stays visible. Removes old elements. */
export function growing(list, scroller, limit, add) {
  const wasAtEnd = isAtEnd(scroller);
  add();
  while (list.children.length > limit) list.firstElementChild.remove();
  if (wasAtEnd) scroller.scrollTop = scroller.scrollHeight;
}

/** Keeps the end in view when the element gets another size. */
export function keepEndInView(scroller) {
  let wasAtEnd = true;
  scroller.addEventListener("scroll", () => (wasAtEnd = isAtEnd(scroller)));
  new ResizeObserver(() => {
    if (wasAtEnd) scroller.scrollTop = scroller.scrollHeight;
  }).observe(scroller);
}

function isAtEnd({ scrollHeight, scrollTop, clientHeight }) {
  return scrollHeight - scrollTop - clientHeight < 40;
}

const CLOSE_WORDS = new Map([
  [1000, "the connection was closed"],
  [1001, "the demo is stopping"],
  [1006, "the connection was lost"],
  [1008, "the demo refused a message"],
  [1009, "a message was too long for the demo"],
  [1011, "the demo had an internal error"],
  [1013, "the demo is busy"],
  [4401, "your login is not valid any more"],
  [4403, "you were disconnected"],
]);

/** Returns the end of a connection in words, such as "the demo is stopping (1001)". */
export function closeWords(code, reason) {
  const words = reason || CLOSE_WORDS.get(code) || "the connection was closed";
  return `${words} (${code})`;
}

/** Returns the text with a capital at its beginning. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
