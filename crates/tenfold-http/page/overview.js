// All channels and all clients.

import { element, line, say } from "./dom.js";
import { preview } from "./payload.js";
import { age, count, rate, size, some } from "./words.js";

/** So many rows of a table are shown; a filter finds the others. */
const MOST = 200;
/** So many last messages are asked for at once. */
const AT_ONCE = 4;

/** @typedef {{ next: number, text: string }} Last */

export class Overview {
  #hub;
  #watch;
  #filter = element("input", { type: "search", id: "filter", placeholder: "Filter", "aria-label": "Filter the channels", input: () => this.show() });
  #channels = table(["Channel", "Messages/s", "Last minute", "Last message", "Age", "Kept", "Subscribers", "Publishers"]);
  #clients = table(["Client", "Kind", "Channel", "Lag", "Connected"]);
  #mistakes = element("ul", { class: "mistakes" });
  /** @type {Map<string, Last>} */
  #last = new Map();
  #asking = 0;
  #isClosed = false;

  /**
   * @param {import("./hub.js").Hub} hub
   * @param {import("./watch.js").Watch} watch
   */
  constructor(hub, watch) {
    this.#hub = hub;
    this.#watch = watch;
    this.title = "Tenfold";
    this.element = element(
      "div",
      {},
      section("h1", "Channels", this.#filter, this.#channels.element),
      section("h2", "Clients", this.#clients.element),
      section("h2", "Mistakes of clients", this.#mistakes),
    );
    this.show();
  }

  close() {
    this.#isClosed = true;
  }

  show() {
    const { channels, clients } = this.#watch;
    const found = [...channels.values()].filter(({ channel }) => channel.includes(this.#filter.value.trim()));
    const none = channels.size > 0 ? "No channel has that in its name." : "There is no channel yet. The first message makes it: tenfold pub CHANNEL MESSAGE";
    this.#channels.show(found, (channel) => channel.channel, none, (channel) => this.#row(channel));
    this.#ask(found.slice(0, MOST));

    const connected = clients.filter(({ kind }) => kind !== "request" && kind !== "plain");
    this.#clients.show(connected, ({ id }) => String(id), "Nobody is connected.", (client) => [
      client.identity ? `${client.peer} (${client.identity})` : client.peer,
      client.kind,
      client.channel ?? client.patterns ?? "",
      client.lag ? `${some(client.lag, "message")}, ${size(client.lag_bytes ?? 0)}` : "",
      age(client.age),
    ]);

    /** @type {Map<string, import("./hub.js").Client>} */
    const mistakes = new Map();
    for (const client of clients) if (client.mistake) mistakes.set(client.peer.replace(/:\d+$/, ""), client);
    const lines = [...mistakes].map(([peer, { mistake = "", mistake_age = 0 }]) => `${peer}, ${age(mistake_age)} ago: ${mistake}`);
    if (lines.length === 0) lines.push("None of those who are connected has made one.");
    lines.forEach((text, at) => {
      if (!this.#mistakes.children[at]) this.#mistakes.append(element("li"));
      say(this.#mistakes.children[at], text);
    });
    while (this.#mistakes.children.length > lines.length) this.#mistakes.lastChild?.remove();
  }

  /** @param {import("./watch.js").Watched} channel */
  #row(channel) {
    return [
      element("a", { href: `#/${channel.channel}` }, channel.channel),
      rate(channel.rate),
      channel.rates.some((of) => of > 0) ? line(channel.rates, 120, 20) : "",
      this.#last.get(channel.channel)?.text ?? "",
      channel.changed ? age((Date.now() - channel.changed) / 1000) : "",
      `${some(channel.next - channel.first, "message")}, ${size(channel.bytes)}`,
      count(channel.subscribers),
      count(channel.publishers),
    ];
  }

  /**
   * Asks for the last messages of channels that have new ones, a few at once.
   *
   * @param {import("./watch.js").Watched[]} channels
   */
  #ask(channels) {
    for (const channel of channels) {
      const last = this.#last.get(channel.channel);
      if (this.#asking >= AT_ONCE || this.#isClosed) return;
      if (channel.next === channel.first || last?.next === channel.next) continue;
      this.#asking += 1;
      this.#fetch(channel, last).finally(() => (this.#asking -= 1));
    }
  }

  /**
   * @param {import("./watch.js").Watched} channel
   * @param {Last | undefined} last
   */
  async #fetch(channel, last) {
    const { channel: name, next } = channel;
    try {
      const bytes = await this.#hub.message(name, next - 1);
      this.#last.set(name, { next, text: bytes ? preview(bytes, 80) : "" });
      if (!last && !channel.changed) {
        const committed = await this.#hub.committed(name, next - 1);
        const now = this.#watch.channels.get(name);
        if (now && !now.changed) now.changed = committed;
      }
    } catch {
      // It may be no longer kept, or not for this client to see.
      this.#last.set(name, { next, text: "" });
    }
  }
}

/** @param {"h1" | "h2"} heading @param {string} title @param {Node[]} children */
function section(heading, title, ...children) {
  const id = title.toLowerCase().replaceAll(" ", "-");
  return element("section", { "aria-labelledby": id }, element(heading, { id }, title), ...children);
}

/**
 * A table whose rows stay the same elements as long as their keys do, so that focus and selection stay, too.
 *
 * @param {string[]} titles
 */
function table(titles) {
  const body = element("tbody");
  const foot = element("p", { class: "foot" });
  const head = element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title))));
  /** @type {Map<string, HTMLTableRowElement>} */
  let rows = new Map();
  return {
    element: element("div", { class: "table" }, element("table", {}, head, body), foot),
    /**
     * @template T
     * @param {T[]} all
     * @param {(of: T) => string} key
     * @param {string} none
     * @param {(of: T) => (Node | string)[]} cells
     */
    show(all, key, none, cells) {
      const old = rows;
      rows = new Map();
      for (const of of all.slice(0, MOST)) {
        const made = () => element("tr", {}, ...titles.map((title) => element("td", { "data-title": title })));
        const row = old.get(key(of)) ?? made();
        rows.set(key(of), row);
        cells(of).forEach((cell, at) => {
          const of = row.cells[at];
          if (typeof cell === "string") say(of, cell);
          else if (cell instanceof SVGElement || of.textContent !== cell.textContent) of.replaceChildren(cell);
        });
      }
      for (const [name, row] of old) if (!rows.has(name)) row.remove();
      [...rows.values()].forEach((row, at) => {
        if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
      });
      head.hidden = all.length === 0;
      say(foot, all.length === 0 ? none : all.length > MOST ? `and ${count(all.length - MOST)} more` : "");
    },
  };
}
