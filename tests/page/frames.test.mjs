import assert from "node:assert/strict";
import { test } from "node:test";

import { Frames, frame } from "../../crates/tenfold-http/page/frames.js";

const encoder = new TextEncoder();

/** The payloads of these pieces, as text. */
function decoded(pieces) {
  const frames = new Frames();
  const found = [];
  for (const piece of pieces) {
    frames.push(piece);
    for (let payload = frames.next(); payload; payload = frames.next()) found.push(new TextDecoder().decode(payload));
  }
  return found;
}

test("a frame is ten characters of length and the payload", () => {
  assert.deepEqual(frame("hello"), encoder.encode("5         hello"));
  assert.deepEqual(frame("ü"), encoder.encode("2         ü"));
  assert.deepEqual(frame(""), encoder.encode("0         "));
});

test("messages are the same however the stream is cut", () => {
  const messages = ["hello", "", "wörld", "x".repeat(30)];
  const stream = encoder.encode(messages.map((message) => new TextDecoder().decode(frame(message))).join(""));
  for (let first = 0; first <= stream.length; first += 1) {
    for (let second = first; second <= stream.length; second += 1) {
      const pieces = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)];
      assert.deepEqual(decoded(pieces), messages);
    }
  }
  assert.deepEqual(decoded(Array.from(stream, (byte) => Uint8Array.of(byte))), messages);
});

test("what is not a header is refused", () => {
  const refused = ["+5        ", "05        ", "00        ", " 5        ", "          ", "5x        ", "5 5       ", "-1        ", "5\n        ", "9999999999"];
  for (const header of refused) assert.throws(() => decoded([encoder.encode(header)]), /not a length/, header);
});
