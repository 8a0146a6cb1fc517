// Frames of the native framing: ten characters of decimal length, left-aligned and padded with spaces, then so many bytes.

const HEADER = 10;
const SPACE = 0x20;
const ZERO = 0x30;
const LARGEST = 1 << 30;

const encoder = new TextEncoder();

/**
 * @param {string | Uint8Array} payload
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function frame(payload) {
  const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
  const whole = new Uint8Array(HEADER + bytes.length);
  whole.set(encoder.encode(String(bytes.length).padEnd(HEADER)));
  whole.set(bytes, HEADER);
  return whole;
}

/**
 * How long the payload after this header is.
 *
 * @param {Uint8Array} header
 */
function lengthOf(header) {
  let length = 0;
  let digits = 0;
  while (digits < HEADER && header[digits] !== SPACE) {
    const digit = header[digits] - ZERO;
    if (digit < 0 || digit > 9 || (digits === 1 && length === 0)) throw new Error("not a length");
    length = length * 10 + digit;
    digits += 1;
  }
  if (digits === 0 || length > LARGEST) throw new Error("not a length");
  for (let at = digits; at < HEADER; at += 1) {
    if (header[at] !== SPACE) throw new Error("not a length");
  }
  return length;
}

/** Takes bytes in whatever pieces they come, and gives the payloads that are whole. */
export class Frames {
  /** @type {Uint8Array[]} */
  #pieces = [];
  #size = 0;
  /** The bytes of the frame that has begun, as far as that is known. */
  #needed = HEADER;

  /** @param {Uint8Array} piece */
  push(piece) {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#size += piece.length;
  }

  /**
   * The next payload, or nothing until more has come. It shares the memory of what was pushed.
   *
   * @returns {Uint8Array | undefined}
   */
  next() {
    while (this.#size >= this.#needed) {
      const bytes = this.#joined();
      const needed = HEADER + lengthOf(bytes);
      this.#needed = needed;
      if (bytes.length < needed) continue;
      this.#pieces[0] = bytes.subarray(needed);
      this.#size -= needed;
      this.#needed = HEADER;
      return bytes.subarray(HEADER, needed);
    }
    return undefined;
  }

  #joined() {
    if (this.#pieces.length > 1) {
      const whole = new Uint8Array(this.#size);
      let at = 0;
      for (const piece of this.#pieces) {
        whole.set(piece, at);
        at += piece.length;
      }
      this.#pieces = [whole];
    }
    return this.#pieces[0];
  }
}
