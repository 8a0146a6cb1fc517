// MessagePack (its specification of 2017).

import { DEEPEST, Reader } from "./reader.js";

/** @param {Uint8Array} bytes */
export function msgpack(bytes) {
  const reader = new Reader(bytes);
  const value = item(reader, 0);
  if (!reader.isAtEnd) throw new Error("more than one value");
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
  if (first < 0x80) return first;
  if (first < 0x90) return map(reader, first & 15, depth);
  if (first < 0xa0) return list(reader, first & 15, depth);
  if (first < 0xc0) return reader.text(first & 31);
  if (first >= 0xe0) return first - 256;
  const length = (/** @type {number} */ size) => Number(reader.unsigned(size));
  switch (first) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xca:
      return reader.float(4);
    case 0xcb:
      return reader.float(8);
    case 0xdc:
    case 0xdd:
      return list(reader, length(first === 0xdc ? 2 : 4), depth);
    case 0xde:
    case 0xdf:
      return map(reader, length(first === 0xde ? 2 : 4), depth);
  }
  if (first >= 0xc4 && first <= 0xc6) return reader.bytes(length(1 << (first - 0xc4)));
  if (first >= 0xc7 && first <= 0xc9) return extension(reader, length(1 << (first - 0xc7)));
  if (first >= 0xcc && first <= 0xcf) return reader.unsigned(1 << (first - 0xcc));
  if (first >= 0xd0 && first <= 0xd3) return reader.signed(1 << (first - 0xd0));
  if (first >= 0xd4 && first <= 0xd8) return extension(reader, 1 << (first - 0xd4));
  if (first >= 0xd9 && first <= 0xdb) return reader.text(length(1 << (first - 0xd9)));
  throw new Error("reserved");
}

/** @param {Reader} reader @param {number} length @param {number} depth */
function list(reader, length, depth) {
  const values = [];
  while (values.length < length) values.push(item(reader, depth + 1));
  return values;
}

/** @param {Reader} reader @param {number} length @param {number} depth */
function map(reader, length, depth) {
  const values = new Map();
  for (let done = 0; done < length; done += 1) values.set(item(reader, depth + 1), item(reader, depth + 1));
  return values;
}

/** @param {Reader} reader @param {number} length */
function extension(reader, length) {
  const kind = reader.signed(1);
  const bytes = reader.bytes(length);
  if (kind !== -1) return new Map([[`extension ${kind}`, bytes]]);
  const time = new Reader(bytes);
  if (length === 4) return new Date(Number(time.unsigned(4)) * 1000);
  if (length === 12) {
    time.bytes(4);
    return new Date(Number(time.signed(8)) * 1000);
  }
  const both = BigInt(time.unsigned(8));
  return new Date(Number(both & 0x3ffffffffn) * 1000 + Number(both >> 34n) / 1e6);
}
