// What a message is: text, a value of JSON, CBOR, MessagePack or pickle, or bytes.

import { cbor } from "./cbor.js";
import { msgpack } from "./msgpack.js";
import { pickle } from "./pickle.js";

/** @typedef {{ kind: string, text?: string, value?: unknown }} Payload */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** @type {[string, (bytes: Uint8Array) => unknown][]} */
const BINARY = [
  ["pickle", (bytes) => (bytes[0] === 0x80 && bytes[bytes.length - 1] === 0x2e ? pickle(bytes) : undefined)],
  ["MessagePack", msgpack],
  ["CBOR", cbor],
];

/**
 * @param {Uint8Array} bytes
 * @returns {Payload}
 */
export function read(bytes) {
  const text = attempt(() => strict.decode(bytes));
  if (text !== undefined && !CONTROL.test(text)) {
    const value = /^\s*[[{]/.test(text) ? attempt(() => JSON.parse(text)) : undefined;
    return value === undefined ? { kind: "text", text } : { kind: "JSON", text, value };
  }
  for (const [kind, decode] of BINARY) {
    const value = attempt(() => decode(bytes));
    // A value that is small can be almost any bytes.
    if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) return { kind, value };
  }
  return { kind: "bytes" };
}

/**
 * @template T
 * @param {() => T} what
 */
function attempt(what) {
  try {
    return what();
  } catch {
    return undefined;
  }
}

/** @param {Uint8Array} bytes */
export function hex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const digits = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = Array.from(row, (byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${digits.padEnd(47)}  ${shown}`);
  }
  return lines.join("\n");
}

/**
 * One line, of at most so many characters.
 *
 * @param {Uint8Array} bytes
 * @param {number} most
 */
export function preview(bytes, most) {
  const { kind, text, value } = read(bytes);
  const line = text?.slice(0, 2 * most) ?? (value === undefined ? `${bytes.length} bytes` : `${kind} ${written(value, most)}`);
  return cut(line.replace(/\s+/g, " "), most);
}

/** @param {string} line @param {number} most */
function cut(line, most) {
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/**
 * A value in one line. A message of a few bytes can be a value without an end, so not more is looked at than is shown.
 *
 * @param {unknown} value
 * @param {number} most
 */
export function written(value, most) {
  let line = "";
  /** @param {unknown} inner */
  const write = (inner) => {
    if (line.length > most) return;
    if (inner === null || typeof inner !== "object") {
      line += typeof inner === "string" ? JSON.stringify(inner.slice(0, most)) : String(inner);
    } else if (inner instanceof Uint8Array) {
      line += `${inner.length} bytes`;
    } else if (inner instanceof Date) {
      line += isNaN(inner.getTime()) ? "no time" : inner.toISOString();
    } else {
      const isList = Array.isArray(inner);
      line += isList ? "[" : "{";
      let comma = "";
      for (const [key, of] of entries(inner)) {
        if (line.length > most) return;
        line += isList ? comma : `${comma}${String(key).slice(0, most)}: `;
        comma = ", ";
        write(of);
      }
      line += isList ? "]" : "}";
    }
  };
  write(value);
  return cut(line, most);
}

/**
 * @param {object} value
 * @returns {Iterable<[unknown, unknown]>}
 */
export function entries(value) {
  return value instanceof Map || Array.isArray(value) ? value.entries() : Object.entries(value);
}
