// When the messages of a channel were committed. The hub tells it on a connection of its own.

const decoder = new TextDecoder();

export class Times {
  /** From which seq on which time holds, the oldest first. @type {{ seq: number, time: number }[]} */
  #known = [];
  #end;
  #tunnel;
  isOpen = true;

  /**
   * @param {import("./hub.js").Hub} hub
   * @param {string} channel
   * @param {number} from
   * @param {() => void} changed
   */
  constructor(hub, channel, from, changed) {
    this.#end = from;
    this.#tunnel = hub.tunnel(`TIMES ${channel} from=${from}`, {
      payload: (payload) => {
        const [seq, count, time] = decoder.decode(payload).split(" ").map(Number);
        this.#known.push({ seq, time });
        this.#end = seq + count;
      },
      pause: changed,
      end: () => (this.isOpen = false),
    });
  }

  close() {
    this.#tunnel.close();
  }

  /** @param {number} seq */
  at(seq) {
    if (seq >= this.#end) return undefined;
    return this.#known.findLast((from) => from.seq <= seq)?.time;
  }

  /**
   * Nobody will ask for what is before this message.
   *
   * @param {number} seq
   */
  forget(seq) {
    let before = 0;
    while (before + 1 < this.#known.length && this.#known[before + 1].seq <= seq) before += 1;
    if (before > 100) this.#known.splice(0, before);
  }
}
