// Bytes that are read from the beginning to the end; what is not there is an error.

/** Values within values within values, to here. */
export const DEEPEST = 64;

const strict = new TextDecoder("utf-8", { fatal: true });

export class Reader {
  #bytes;
  #view;
  at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd() {
    return this.at === this.#bytes.length;
  }

  /** @param {number} length */
  #pass(length) {
    const before = this.at;
    if (length > this.#bytes.length - before) throw new Error("cut");
    this.at += length;
    return before;
  }

  /** @param {number} length */
  bytes(length) {
    const from = this.#pass(length);
    return this.#bytes.subarray(from, from + length);
  }

  /** @param {number} length */
  text(length) {
    return strict.decode(this.bytes(length));
  }

  u8() {
    return this.#view.getUint8(this.#pass(1));
  }

  /** @param {number} size @param {boolean} [little] */
  unsigned(size, little = false) {
    const at = this.#pass(size);
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at, little);
    if (size === 4) return this.#view.getUint32(at, little);
    return exact(this.#view.getBigUint64(at, little));
  }

  /** @param {number} size @param {boolean} [little] */
  signed(size, little = false) {
    const at = this.#pass(size);
    if (size === 1) return this.#view.getInt8(at);
    if (size === 2) return this.#view.getInt16(at, little);
    if (size === 4) return this.#view.getInt32(at, little);
    return exact(this.#view.getBigInt64(at, little));
  }

  /** @param {number} size @param {boolean} [little] */
  float(size, little = false) {
    const at = this.#pass(size);
    return size === 4 ? this.#view.getFloat32(at, little) : this.#view.getFloat64(at, little);
  }

  line() {
    const end = this.#bytes.indexOf(10, this.at);
    if (end < 0) throw new Error("cut");
    const text = this.text(end - this.at);
    this.at += 1;
    return text;
  }
}

/**
 * A number, if it is one exactly.
 *
 * @param {bigint} value
 */
export function exact(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
