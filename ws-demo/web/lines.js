// The lines of the chat.

import { element, find, growing, keepEndInView } from "./view.js";

/** The lines that are kept on the page. */
const LINES = 500;

const scroller = find("lines");
const list = scroller.querySelector("ol");
keepEndInView(scroller);

export class Lines {
  /** The account of this page; its lines are shown as own lines. */
  account = "";
  /** The first element that was added since the connection opened. History comes before it. */
  #live;
  /** The keys of the lines that the history of this connection has. */
  #remembered = new Set();

  clear() {
    this.opened();
    list.replaceChildren();
  }

  /** Begins the lines of a new connection. */
  opened() {
    this.#live = undefined;
    this.#remembered.clear();
  }

  /** Adds a line that was said now, unless the history had it already. */
  said(line) {
    const key = keyOf(line);
    if (this.#remembered.delete(key)) return;
    const item = this.#insert(line, key, null);
    this.#live ??= item;
  }

  /** Adds a line of the history. Returns whether the page did not have it. */
  remembered(line) {
    const key = keyOf(line);
    this.#remembered.add(key);
    if ([...list.children].some((item) => item.dataset.key === key)) return false;
    const isGone = this.#live?.isConnected === false;
    this.#insert(line, key, isGone ? list.firstElementChild : (this.#live ?? null));
    return true;
  }

  /** Adds a note, such as "lily joined". */
  event(text) {
    const item = element("li", "event", text);
    growing(list, scroller, LINES, () => list.append(item));
    this.#live ??= item;
  }

  #insert({ from, text }, key, before) {
    const isMine = from === this.account;
    const item = element("li", isMine ? "mine" : "");
    Object.assign(item.dataset, { key, from });
    item.append(element("span", "from", isMine ? "You" : from), element("span", "text", text));
    growing(list, scroller, LINES, () => list.insertBefore(item, before));
    for (const changed of [item, item.nextElementSibling]) group(changed);
    return item;
  }
}

/**
 * Each process of the demo counts its lines from 1, so the number alone does not identify a line.
 * A line of the history with the same number, author and text counts as the same line.
 */
function keyOf({ id, from, text }) {
  return JSON.stringify([id, from, text]);
}

/** Marks a line whose author is that of the line before. */
function group(item) {
  const from = item?.dataset.from;
  const isSame = from !== undefined && item.previousElementSibling?.dataset.from === from;
  item?.classList.toggle("follows", isSame);
}
