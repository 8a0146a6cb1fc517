// The messages of one channel as they come: the newest of them, where they are, and what is missing.

import { Times } from "./times.js";

/** So many messages are kept to look at. */
export const KEPT = 500;
/** Of a larger message only its beginning is kept. */
export const SHOWN = 4096;
/** Who is so many messages behind goes on with the newest. */
const TOO_FAR = 1_000_000;

/**
 * @typedef {{ seq: number, size: number, bytes: Uint8Array }} Message
 * @typedef {{ said: string }} Remark
 */

const GAPS = new Map([
  ["TRIMMED", "older messages are no longer kept"],
  ["EPOCH", "this is another history of the channel"],
  ["CORRUPT", "messages are damaged on the hub's disk"],
  ["DELETED", "the channel was deleted"],
]);

export class Live {
  /** @type {(Message | Remark)[]} */
  rows = [];
  /** How many messages came since it began. */
  count = 0;
  /** The seq of the next message. */
  seq = 0;
  state = "connecting";

  #hub;
  #channel;
  #changed;
  /** @type {string | undefined} */
  #epoch;
  /** @type {ReturnType<import("./hub.js").Hub["tunnel"]> | undefined} */
  #tunnel;
  /** @type {Times | undefined} */
  #times;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #failures = 0;
  /** What came and was not looked at yet: views of the pieces that they came in. @type {Uint8Array[]} */
  #fresh = [];

  /**
   * @param {import("./hub.js").Hub} hub
   * @param {string} channel
   * @param {string} from a place, as in SUBSCRIBE
   * @param {() => void} changed
   */
  constructor(hub, channel, from, changed) {
    this.#hub = hub;
    this.#channel = channel;
    this.#changed = changed;
    this.#subscribe(`from=${from}`);
  }

  close() {
    clearTimeout(this.#timer);
    this.#stop();
  }

  /**
   * When a message was committed, in milliseconds of Unix time, if that is known already.
   *
   * @param {number} seq
   */
  time(seq) {
    return this.#times?.at(seq);
  }

  /**
   * Goes on with the newest messages if the hub is at `next`, and what was shown is too far behind.
   *
   * @param {number} next
   */
  keepUp(next) {
    if (this.state !== "live" || next - this.seq < TOO_FAR) return;
    this.#say(`${(next - this.seq).toLocaleString()} messages are left out: they come faster than this page can take them`);
    this.#stop();
    this.#subscribe(`from=-${KEPT}`);
  }

  #stop() {
    this.#tunnel?.close();
    this.#times?.close();
    this.#times = undefined;
  }

  /** @param {string} place */
  #subscribe(place) {
    this.#tunnel = this.#hub.tunnel(`SUBSCRIBE ${this.#channel} ${place}`, {
      answer: (keys) => {
        this.#epoch = keys.get("epoch");
        this.seq = Number(keys.get("from"));
        this.#failures = 0;
        this.state = "live";
        this.#changed();
      },
      payload: (payload) => {
        this.#fresh.push(payload);
        this.seq += 1;
        this.count += 1;
      },
      pause: () => this.#take(),
      end: (refusal) => this.#ended(refusal),
    });
  }

  /** Keeps the newest of what came at once. The rest of the pieces can be freed. */
  #take() {
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    this.#fresh = [];
    const first = this.seq - fresh.length;
    for (let at = Math.max(0, fresh.length - KEPT); at < fresh.length; at += 1) {
      const bytes = beginning(fresh[at]);
      this.rows.push({ seq: first + at, size: fresh[at].length, bytes });
    }
    if (!this.#times?.isOpen) this.#times = new Times(this.#hub, this.#channel, first, this.#changed);
    const oldest = this.#forget();
    if (oldest) this.#times.forget(oldest.seq);
  }

  /** @param {string} said */
  #say(said) {
    this.rows.push({ said });
    this.#forget();
  }

  /** Gives the oldest message that is kept. */
  #forget() {
    if (this.rows.length > KEPT) this.rows.splice(0, this.rows.length - KEPT);
    this.#changed();
    return /** @type {Message | undefined} */ (this.rows.find((row) => !("said" in row)));
  }

  /** @param {Error} [refusal] */
  #ended(refusal) {
    this.#stop();
    const code = /** @type {import("./hub.js").Refusal | undefined} */ (refusal)?.code ?? "";
    if (GAPS.has(code)) {
      this.#say(`messages from ${this.seq} on are missing: ${GAPS.get(code)}`);
      this.#subscribe("from=first");
      return;
    }
    const isLasting = ["AUTH", "DENIED", "PROTO", "FUTURE"].includes(code);
    this.state = isLasting ? `the hub refuses: ${refusal?.message}` : "the connection is gone; trying again";
    if (!isLasting) {
      const wait = Math.min(5000, 250 * 2 ** this.#failures);
      this.#failures += 1;
      const place = this.#epoch ? `from=${this.seq} epoch=${this.#epoch}` : "from=next";
      this.#timer = setTimeout(() => this.#subscribe(place), wait);
    }
    this.#changed();
  }
}

/**
 * Not more than is shown, and no half character.
 *
 * @param {Uint8Array} bytes
 */
function beginning(bytes) {
  let end = Math.min(bytes.length, SHOWN);
  if (end < bytes.length) {
    for (let back = 0; back < 3 && (bytes[end] & 0xc0) === 0x80; back += 1) end -= 1;
  }
  return bytes.slice(0, end);
}
