import assert from "node:assert/strict";
import { test } from "node:test";

import { cbor } from "../../crates/tenfold-http/page/cbor.js";
import { msgpack } from "../../crates/tenfold-http/page/msgpack.js";
import { hex, preview, read, written } from "../../crates/tenfold-http/page/payload.js";
import { pickle } from "../../crates/tenfold-http/page/pickle.js";

const bytes = (digits) => Uint8Array.from(Buffer.from(digits, "hex"));
const shown = (value) => written(value, 1000);

// The first ones are of RFC 8949, appendix A.
const CBOR = [
  ["1b000000e8d4a51000", "1000000000000"],
  ["1bffffffffffffffff", "18446744073709551615"],
  ["c249010000000000000000", "18446744073709551616"],
  ["3bffffffffffffffff", "-18446744073709551616"],
  ["3903e7", "-1000"],
  ["f93c00", "1"],
  ["f90001", "5.960464477539063e-8"],
  ["fb3ff199999999999a", "1.1"],
  ["f97c00", "Infinity"],
  ["f4", "false"],
  ["f6", "null"],
  ["4401020304", "4 bytes"],
  ["62c3bc", '"ü"'],
  ["8301820203820405", "[1, [2, 3], [4, 5]]"],
  ["a26161016162820203", "{a: 1, b: [2, 3]}"],
  ["7f657374726561646d696e67ff", '"streaming"'],
  ["5f42010243030405ff", "5 bytes"],
  ["9f018202039f0405ffff", "[1, [2, 3], [4, 5]]"],
  ["bf61610161629f0203ffff", "{a: 1, b: [2, 3]}"],
  ["c11a514b67b0", "1363896240"],
];

const MSGPACK = [
  ["82a161c3a16293010203", "{a: true, b: [1, 2, 3]}"],
  ["93ccc8cdffffce00010000", "[200, 65535, 65536]"],
  ["94d080d18000ffe0", "[-128, -32768, -1, -32]"],
  ["91cb3ff199999999999a", "[1.1]"],
  ["91cf0020000000000001", "[9007199254740993]"],
  ["91d6ff514b67b0", "[2013-03-21T20:04:00.000Z]"],
  ["91d40501", "[{extension 5: 1 bytes}]"],
  ["dc0001a0", '[""]'],
];

test("values of CBOR are read", () => {
  for (const [digits, text] of CBOR) assert.equal(shown(cbor(bytes(digits))), text, digits);
});

test("values of MessagePack are read", () => {
  for (const [digits, text] of MSGPACK) assert.equal(shown(msgpack(bytes(digits))), text, digits);
});

test("a value that is cut, or has something after it, is refused", () => {
  for (const [decode, all] of [[cbor, CBOR], [msgpack, MSGPACK]]) {
    for (const [digits] of all) {
      const whole = bytes(digits);
      for (let length = 0; length < whole.length; length += 1) assert.throws(() => decode(whole.subarray(0, length)), digits);
      assert.throws(() => decode(bytes(`${digits}00`)), digits);
    }
  }
});

test("values within values do not overflow the stack", () => {
  for (const [decode, byte] of [[cbor, 0x81], [msgpack, 0x91]]) {
    assert.throws(() => decode(new Uint8Array(1_000_000).fill(byte)), /too deep/);
  }
});

test("a pickle that is a value without an end is shown as far as the line goes", () => {
  // A tuple of the one before, twice, 100 times.
  let doubled = "80044e9430";
  for (let level = 0; level < 100; level += 1) {
    const before = `68${level.toString(16).padStart(2, "0")}`;
    doubled += `${before}${before}869430`;
  }
  const withItself = "80045d946800612e";
  for (const digits of [`${doubled}68642e`, withItself]) {
    const line = preview(bytes(digits), 80);
    assert.match(line, /^pickle \[\[/);
    assert.equal(line.length, 80);
  }
});

test("nothing that a pickle names is called", () => {
  // What pickle.dumps makes of an object whose __reduce__ is (os.system, ("id",)).
  assert.equal(shown(pickle(bytes("8004951d000000000000008c05706f736978948c0673797374656d9493948c0269649485945294" + "2e"))), '{posix.system(): ["id"]}');
});

test("text and JSON are told apart, and bytes that are neither", () => {
  const kind = (text) => read(new TextEncoder().encode(text)).kind;
  assert.equal(kind("hello"), "text");
  assert.equal(kind("21.5"), "text");
  assert.equal(kind('{"t": 1}'), "JSON");
  assert.equal(kind('{"t": 1'), "text");
  assert.equal(kind(""), "text");
  assert.equal(kind("</script>\u2028"), "text");
  assert.equal(read(bytes("00ff")).kind, "bytes");
  assert.equal(hex(bytes("00ff41")), `0000  00 ff 41${" ".repeat(39)}  ..A`);
});
