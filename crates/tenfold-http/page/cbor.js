// CBOR (RFC 8949).

import { DEEPEST, Reader, exact } from "./reader.js";

/** What ends an item of unknown length. */
const BREAK = Symbol("break");

/** @param {Uint8Array} bytes */
export function cbor(bytes) {
  const reader = new Reader(bytes);
  const value = item(reader, 0);
  if (value === BREAK || !reader.isAtEnd) throw new Error("more than one item");
  return value;
}

/**
 * @param {Reader} reader
 * @param {number} depth
 * @returns {unknown}
 */
function item(reader, depth) {
  if (depth > DEEPEST) throw new Error("too deep");
  const first = reader.u8();
  const [major, info] = [first >> 5, first & 31];
  if (major === 7) return simple(reader, info);
  if (info > 27 && info !== 31) throw new Error("reserved");
  const isOpen = info === 31;
  if (isOpen && (major < 2 || major === 6)) throw new Error("reserved");
  const argument = isOpen ? Infinity : info < 24 ? info : reader.unsigned(1 << (info - 24));
  if (major === 0) return argument;
  if (major === 1) return typeof argument === "bigint" ? -1n - argument : exact(-1n - BigInt(argument));
  const length = Number(argument);
  if (major === 2 || major === 3) return string(reader, major, length);
  if (major === 4) {
    const list = [];
    for (let value; list.length < length && (value = item(reader, depth + 1)) !== BREAK; ) list.push(value);
    return list;
  }
  if (major === 5) {
    const map = new Map();
    for (let done = 0; done < length; done += 1) {
      const key = item(reader, depth + 1);
      if (key === BREAK) break;
      map.set(key, item(reader, depth + 1));
    }
    return map;
  }
  const value = item(reader, depth + 1);
  return (argument === 2 || argument === 3) && value instanceof Uint8Array ? large(value, argument === 3) : value;
}

/** @param {Reader} reader @param {number} info */
function simple(reader, info) {
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
      return null;
    case 23:
      return undefined;
    case 25:
      return half(reader.unsigned(2));
    case 26:
      return reader.float(4);
    case 27:
      return reader.float(8);
    case 31:
      return BREAK;
    default:
      throw new Error("reserved");
  }
}

/** @param {Reader} reader @param {number} major @param {number} length */
function string(reader, major, length) {
  if (length !== Infinity) return major === 3 ? reader.text(length) : reader.bytes(length);
  const parts = [];
  for (let part; (part = item(reader, DEEPEST)) !== BREAK; ) parts.push(part);
  if (major === 3) return parts.join("");
  return new Uint8Array(parts.flatMap((part) => [.../** @type {Uint8Array} */ (part)]));
}

/** @param {number | bigint} bits */
function half(bits) {
  const [exponent, fraction] = [(Number(bits) >> 10) & 31, Number(bits) & 1023];
  const sign = Number(bits) & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}

/** @param {Uint8Array} bytes @param {boolean} isNegative */
function large(bytes, isNegative) {
  let value = 0n;
  for (const byte of bytes) value = value * 256n + BigInt(byte);
  return isNegative ? -1n - value : value;
}
