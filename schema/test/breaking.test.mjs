import assert from "node:assert/strict";
import { test } from "node:test";
import { changes } from "../breaking.mjs";

const BEFORE = "type Query { a: Int b(of: Int): Kind } enum Kind { ONE TWO }";

test("what clients may rely on is named when it goes", () => {
  const after = "type Query { b(of: Int!): Kind } enum Kind { ONE TWO THREE }";
  const found = changes(BEFORE, after);
  assert.equal(found.length, 3);
  assert.match(found[0], /^breaking: .*Query\.a/);
  assert.match(found[1], /^breaking: .*Query\.b/);
  assert.match(found[2], /^dangerous: .*THREE/);
});

test("what is added for all is no change that anybody misses", () => {
  assert.deepEqual(changes(BEFORE, BEFORE.replace("a: Int", "a: Int c: Int")), []);
  assert.deepEqual(changes(BEFORE, BEFORE), []);
});
