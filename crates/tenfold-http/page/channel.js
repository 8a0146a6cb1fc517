// One channel: its messages as they come, a place to write one, and how a program does the same.

import { Chart } from "./chart.js";
import { button, element, say } from "./dom.js";
import { lessons } from "./lessons.js";
import { KEPT, Live } from "./live.js";
import { hex, preview, read } from "./payload.js";
import { numberAt, tree } from "./tree.js";
import { count, rate, size, some, time } from "./words.js";

/** So many messages are on the page at once. */
const ROWS = 100;
/** The page is drawn so often, in milliseconds. */
const EVERY = 100;
/** A message up to this size can be shown whole. */
const WHOLE = 1 << 20;

export class ChannelView {
  #hub;
  #watch;
  #name;
  /** @type {Live} */
  #live;
  #facts = element("p", { class: "facts" });
  #state = element("p", { class: "state", role: "status" });
  #list = element("ol", { class: "messages", tabindex: "0", "aria-label": "Messages, the newest first" });
  #charts = element("div");
  /** @type {Map<string, Chart>} */
  #drawn = new Map();
  #isPaused = false;
  #pause = button("Pause", () => this.#setPaused(!this.#isPaused), { "aria-pressed": "false" });
  #filter = element("input", { type: "search", id: "filter", placeholder: "Only with this text", "aria-label": "Show only messages with this text", input: () => this.#again() });
  #from = element("input", { type: "text", id: "from", placeholder: "first, -100, a seq, or a time", "aria-describedby": "from-wrong" });
  #wrong = element("span", { id: "from-wrong", role: "alert" });
  /** @type {Map<import("./live.js").Message | import("./live.js").Remark, HTMLLIElement>} */
  #rows = new Map();
  /** Where the charts are: messages before that are in them. */
  #charted = 0;
  #drawAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./hub.js").Hub} hub
   * @param {import("./watch.js").Watch} watch
   * @param {string} name
   */
  constructor(hub, watch, name) {
    this.#hub = hub;
    this.#watch = watch;
    this.#name = name;
    this.title = `${name} - Tenfold`;
    this.#live = this.#begin("-20");
    const go = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#go(this.#from.value.trim());
    };
    this.element = element(
      "article",
      {},
      element("nav", { "aria-label": "Back" }, element("a", { href: "#" }, "All channels")),
      element("h1", {}, name),
      this.#facts,
      element(
        "div",
        { class: "tools", role: "group", "aria-label": "What is shown" },
        this.#pause,
        this.#filter,
        element("form", { submit: go }, element("label", { for: "from" }, "From"), this.#from, element("button", {}, "Go"), this.#wrong),
      ),
      this.#charts,
      this.#publisher(),
      this.#state,
      this.#list,
      this.#copies(),
    );
    this.show();
  }

  close() {
    clearTimeout(this.#timer);
    this.#live.close();
  }

  /** Shows what the hub says of the channel. */
  show() {
    const channel = this.#watch.channels.get(this.#name);
    if (!channel) {
      say(this.#facts, "No message yet. Write one below, or run the lines at the end of this page.");
      return;
    }
    const kept = `${some(channel.next - channel.first, "message")} kept (${size(channel.bytes)}, ${channel.storage === "log" ? "on disk" : "in memory"})`;
    const people = `${some(channel.subscribers, "subscriber")}, ${some(channel.publishers, "publisher")}`;
    say(this.#facts, `${rate(channel.rate)} messages/s. ${kept}. ${people}.`);
    if (!this.#isPaused) this.#live.keepUp(channel.next);
    this.#sayState();
  }

  /** @param {string} from */
  #begin(from) {
    this.#charted = 0;
    return new Live(this.#hub, this.#name, from, () => this.#soon());
  }

  /** @param {string} place */
  #go(place) {
    const from = placeOf(place);
    say(this.#wrong, from ? "" : "Write first, next, -100, a seq, or a time such as 2026-11-27 14:30");
    if (!from) return;
    this.#live.close();
    this.#live = this.#begin(from);
    this.#setPaused(false);
    this.#again();
  }

  /** @param {boolean} isPaused */
  #setPaused(isPaused) {
    this.#isPaused = isPaused;
    say(this.#pause, isPaused ? "Go on" : "Pause");
    this.#pause.setAttribute("aria-pressed", String(isPaused));
    this.#soon();
  }

  /** Draws soon, and not too often: what comes meanwhile is drawn with it. */
  #soon() {
    if (this.#timer) return;
    const wait = Math.max(0, this.#drawAt + EVERY - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#drawAt = performance.now();
      this.#draw();
    }, wait);
  }

  #again() {
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#soon();
  }

  #draw() {
    this.#sayState();
    if (this.#isPaused) return;
    this.#addToCharts();
    const wanted = this.#filter.value;
    const rows = this.#live.rows.filter((row) => !wanted || "said" in row || preview(row.bytes, 4096).includes(wanted));
    const shown = rows.slice(-ROWS).reverse();
    const old = this.#rows;
    this.#rows = new Map();
    for (const row of shown) this.#rows.set(row, old.get(row) ?? this.#row(row));
    for (const [row, item] of old) if (!this.#rows.has(row)) item.remove();
    let at = 0;
    for (const [row, item] of this.#rows) {
      if (!("said" in row)) this.#sayTime(item, row.seq);
      if (this.#list.children[at] !== item) this.#list.insertBefore(item, this.#list.children[at] ?? null);
      at += 1;
    }
  }

  /** @param {HTMLLIElement} item @param {number} seq */
  #sayTime(item, seq) {
    const of = /** @type {HTMLTimeElement} */ (item.querySelector("time"));
    const committed = of.dateTime ? undefined : this.#live.time(seq);
    if (committed === undefined) return;
    of.dateTime = new Date(committed).toISOString();
    say(of, time(committed));
  }

  #sayState() {
    const live = this.#live;
    if (live.state !== "live") {
      say(this.#state, live.state);
      return;
    }
    const next = this.#watch.channels.get(this.#name)?.next ?? live.seq;
    const behind = Math.max(0, next - live.seq);
    const words = [this.#isPaused ? "Paused" : "Live", `${some(live.count, "message")} came`];
    if (behind > 1000) words.push(`${count(behind)} behind`);
    if (live.count > KEPT) words.push(`the newest ${KEPT} can be filtered`);
    say(this.#state, words.join(", "));
  }

  /**
   * @param {import("./live.js").Message | import("./live.js").Remark} row
   */
  #row(row) {
    if ("said" in row) return element("li", { class: "remark" }, row.said);
    const { kind, text, value } = read(row.bytes);
    const isCut = row.size > row.bytes.length;
    const body = element("div", { class: "body" });
    if (value !== undefined) body.append(tree(value, (path) => this.#chart(path)));
    else body.append(block(text ?? hex(row.bytes)));
    const kinds = kind === "text" ? size(row.size) : `${kind}, ${size(row.size)}`;
    const item = element(
      "li",
      {},
      element("span", { class: "seq" }, String(row.seq)),
      element("time"),
      element("span", { class: "kind" }, kinds),
      body,
    );
    if (value !== undefined && kind !== "JSON") this.#offerBytes(body, row.bytes);
    if (isCut) this.#offerWhole(body, row);
    return item;
  }

  /** @param {HTMLElement} body @param {Uint8Array} bytes */
  #offerBytes(body, bytes) {
    const shown = element("details", { class: "bytes" }, element("summary", {}, "bytes"));
    shown.addEventListener("toggle", () => {
      if (shown.open && shown.children.length === 1) shown.append(block(hex(bytes)));
    });
    body.append(shown);
  }

  /** @param {HTMLElement} body @param {import("./live.js").Message} message */
  #offerWhole(body, message) {
    if (message.size > WHOLE) {
      body.append(element("p", {}, `The first ${size(message.bytes.length)} of ${size(message.size)}.`));
      return;
    }
    const more = button(`Show all ${size(message.size)}`, async () => {
      try {
        const bytes = await this.#hub.message(this.#name, message.seq);
        if (!bytes) throw new Error("it is not there");
        const { text } = read(bytes);
        body.replaceChildren(block(text ?? hex(bytes)));
      } catch (error) {
        say(more, `It cannot be had: ${/** @type {Error} */ (error).message}`);
      }
    });
    body.append(more);
  }

  /** @param {unknown[]} path */
  #chart(path) {
    const name = path.join(".");
    if (this.#drawn.has(name)) return;
    const chart = new Chart(path, () => {
      this.#drawn.delete(name);
      chart.element.remove();
    });
    this.#drawn.set(name, chart);
    this.#charts.append(chart.element);
    for (const row of this.#live.rows) this.#addTo([chart], row);
    chart.show();
  }

  #addToCharts() {
    if (this.#drawn.size > 0) {
      const charts = [...this.#drawn.values()];
      for (const row of this.#live.rows) if (!("said" in row) && row.seq >= this.#charted) this.#addTo(charts, row);
      for (const chart of charts) chart.show();
    }
    this.#charted = this.#live.seq;
  }

  /** @param {Chart[]} charts @param {import("./live.js").Message | import("./live.js").Remark} row */
  #addTo(charts, row) {
    if ("said" in row) return;
    const { value } = read(row.bytes);
    for (const chart of charts) {
      const number = numberAt(value, chart.path);
      if (number !== undefined) chart.add(number);
    }
  }

  #publisher() {
    const text = element("textarea", { id: "message", rows: "1", "aria-label": `A message to ${this.#name}`, placeholder: "Write a message" });
    const said = element("span", { role: "status" });
    const publish = async () => {
      try {
        await this.#hub.publish(this.#name, text.value);
        text.value = "";
        say(said, "");
      } catch (error) {
        say(said, `Not published: ${/** @type {Error} */ (error).message}`);
      }
    };
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      publish();
    };
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
    });
    return element("form", { submit, class: "publish" }, text, element("button", {}, "Publish"), said);
  }

  #copies() {
    const parts = lessons(this.#name, location.hostname).map(([language, code]) => {
      const copy = button("Copy", async () => {
        await navigator.clipboard.writeText(code);
        say(copy, "Copied");
      }, { "aria-label": `Copy the lines of ${language}` });
      return element("details", {}, element("summary", {}, language), copy, element("pre", { tabindex: "0" }, code));
    });
    return element("section", { class: "copies", "aria-labelledby": "copies" }, element("h2", { id: "copies" }, "In a program"), ...parts);
  }
}

/**
 * A place of SUBSCRIBE for what a person writes.
 *
 * @param {string} written
 */
function placeOf(written) {
  if (/^(first|next|last|-?\d+)$/.test(written)) return written;
  const at = Date.parse(written);
  return Number.isNaN(at) ? undefined : `@${(at / 1000).toFixed(3)}`;
}

/**
 * Text as it is; what is long can be scrolled, also with the keyboard.
 *
 * @param {string} text
 */
function block(text) {
  return text.length > 1000 ? element("pre", { class: "long", tabindex: "0" }, text) : element("pre", {}, text);
}
