// What the hub says of itself, asked once a second: its health, its channels, its clients. Rates are the differences.

/** So many seconds of rates are kept for each channel. */
const KEPT = 60;
const EVERY = 1000;

/**
 * @typedef {import("./hub.js").Channel & { rate: number, rates: number[], changed?: number }} Watched
 * `changed` is when the newest message came, in milliseconds of Unix time, if that is known.
 */

export class Watch {
  /** @type {import("./hub.js").Health | undefined} */
  health;
  /** @type {Map<string, Watched>} */
  channels = new Map();
  /** @type {import("./hub.js").Client[]} */
  clients = [];
  /** Why nothing is known now. @type {import("./hub.js").Refusal | Error | undefined} */
  problem;
  /** All channels together. */
  rates = Array(KEPT).fill(0);

  #hub;
  #looked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./hub.js").Hub} hub
   * @param {() => void} changed
   */
  constructor(hub, changed) {
    this.#hub = hub;
    this.changed = changed;
    document.addEventListener("visibilitychange", () => this.look());
    this.look();
  }

  get rate() {
    return this.rates[KEPT - 1];
  }

  /** Looks now, and once a second as long as somebody sees the page. */
  async look() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    try {
      const [health, channels, clients] = await Promise.all([
        this.#hub.list("/health"),
        this.#hub.list("/channels"),
        this.#hub.list("/clients"),
      ]);
      this.health = health;
      this.clients = clients;
      this.#count(channels);
      this.problem = undefined;
    } catch (error) {
      this.problem = /** @type {Error} */ (error);
      this.#looked = 0;
    }
    this.changed();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), EVERY);
  }

  /** @param {import("./hub.js").Channel[]} channels */
  #count(channels) {
    const now = Date.now();
    const seconds = this.#looked ? (now - this.#looked) / 1000 : 0;
    this.#looked = now;
    const before = this.channels;
    this.channels = new Map();
    let all = 0;
    for (const channel of channels) {
      const old = before.get(channel.channel);
      const isSame = old !== undefined && old.next <= channel.next;
      const rate = isSame && seconds > 0 ? (channel.next - old.next) / seconds : 0;
      const isNew = seconds > 0 && (!isSame || channel.next > old.next);
      const rates = old?.rates ?? Array(KEPT).fill(0);
      rates.push(rate);
      rates.shift();
      all += rate;
      this.channels.set(channel.channel, { ...channel, rate, rates, changed: isNew ? now : old?.changed });
    }
    this.rates.push(all);
    this.rates.shift();
  }
}
