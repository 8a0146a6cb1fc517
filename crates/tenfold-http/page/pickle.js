// Python's pickle (PEP 307, 3154, 574): plain values only. Nothing is ever called: what would be, is told by its name.

import { Reader, exact } from "./reader.js";

const MARK = Symbol("mark");

/** @param {Uint8Array} bytes */
export function pickle(bytes) {
  const reader = new Reader(bytes);
  /** @type {unknown[]} */
  const stack = [];
  /** @type {Map<number, unknown>} */
  const memo = new Map();
  const pop = () => {
    if (stack.length === 0) throw new Error("nothing there");
    return stack.pop();
  };
  const marked = () => {
    const from = stack.lastIndexOf(MARK);
    if (from < 0) throw new Error("no mark");
    const values = stack.splice(from);
    return values.slice(1);
  };
  const top = () => stack[stack.length - 1];
  const append = (/** @type {unknown[]} */ values) => {
    const list = top();
    if (!Array.isArray(list)) throw new Error("not a list");
    for (const value of values) list.push(value);
  };
  const put = (/** @type {unknown[]} */ values) => {
    const map = top();
    if (!(map instanceof Map)) throw new Error("not a dict");
    for (let at = 0; at + 1 < values.length; at += 2) map.set(values[at], values[at + 1]);
  };
  const got = (/** @type {number} */ at) => {
    if (!memo.has(at)) throw new Error("not there");
    stack.push(memo.get(at));
  };
  const length = (/** @type {number} */ size) => Number(reader.unsigned(size, true));

  for (;;) {
    const code = String.fromCharCode(reader.u8());
    switch (code) {
      case ".": {
        const value = pop();
        if (stack.length > 0 || !reader.isAtEnd) throw new Error("more than one value");
        return value;
      }
      case "\x80":
        if (reader.u8() > 5) throw new Error("a later protocol");
        break;
      case "\x95":
        reader.bytes(8);
        break;
      case "(":
        stack.push(MARK);
        break;
      case "0":
        pop();
        break;
      case "1":
        marked();
        break;
      case "2":
        stack.push(top());
        break;
      case "N":
        stack.push(null);
        break;
      case "\x88":
        stack.push(true);
        break;
      case "\x89":
        stack.push(false);
        break;
      case "I": {
        const text = reader.line();
        stack.push(text === "01" ? true : text === "00" ? false : exact(BigInt(text)));
        break;
      }
      case "L":
        stack.push(exact(BigInt(reader.line().replace(/L$/, ""))));
        break;
      case "J":
        stack.push(reader.signed(4, true));
        break;
      case "K":
        stack.push(reader.u8());
        break;
      case "M":
        stack.push(reader.unsigned(2, true));
        break;
      case "\x8a":
        stack.push(long(reader.bytes(reader.u8())));
        break;
      case "\x8b":
        stack.push(long(reader.bytes(length(4))));
        break;
      case "F":
        stack.push(Number(reader.line()));
        break;
      case "G":
        stack.push(reader.float(8));
        break;
      case "S":
      case "V":
        stack.push(reader.line());
        break;
      case "X":
      case "T":
        stack.push(reader.text(length(4)));
        break;
      case "\x8c":
      case "U":
        stack.push(reader.text(reader.u8()));
        break;
      case "\x8d":
        stack.push(reader.text(length(8)));
        break;
      case "B":
        stack.push(reader.bytes(length(4)));
        break;
      case "C":
        stack.push(reader.bytes(reader.u8()));
        break;
      case "\x8e":
      case "\x96":
        stack.push(reader.bytes(length(8)));
        break;
      case ")":
      case "]":
      case "\x8f":
        stack.push([]);
        break;
      case "t":
      case "l":
      case "\x91":
        stack.push(marked());
        break;
      case "\x85":
      case "\x86":
      case "\x87": {
        const size = code.charCodeAt(0) - 0x84;
        if (stack.length < size) throw new Error("nothing there");
        stack.push(stack.splice(-size));
        break;
      }
      case "a":
        append([pop()]);
        break;
      case "e":
      case "\x90":
        append(marked());
        break;
      case "}":
        stack.push(new Map());
        break;
      case "d": {
        const values = marked();
        stack.push(new Map());
        put(values);
        break;
      }
      case "s": {
        const value = pop();
        put([pop(), value]);
        break;
      }
      case "u":
        put(marked());
        break;
      case "p":
        memo.set(Number(reader.line()), top());
        break;
      case "q":
        memo.set(reader.u8(), top());
        break;
      case "r":
        memo.set(length(4), top());
        break;
      case "\x94":
        memo.set(memo.size, top());
        break;
      case "g":
        got(Number(reader.line()));
        break;
      case "h":
        got(reader.u8());
        break;
      case "j":
        got(length(4));
        break;
      case "c":
        stack.push(`${reader.line()}.${reader.line()}`);
        break;
      case "\x93": {
        const name = pop();
        stack.push(`${pop()}.${name}`);
        break;
      }
      case "R":
      case "\x81": {
        const given = pop();
        stack.push(new Map([[`${pop()}()`, given]]));
        break;
      }
      case "b": {
        const state = pop();
        put(["state", state]);
        break;
      }
      default:
        throw new Error("not a code of pickle");
    }
  }
}

/**
 * An integer of two's complement, the lowest byte first.
 *
 * @param {Uint8Array} bytes
 */
function long(bytes) {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at -= 1) value = value * 256n + BigInt(bytes[at]);
  return exact(BigInt.asIntN(bytes.length * 8, value));
}
