// The public client npm `graphql-sse` in its distinct connections mode against the router.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "graphql-sse";
import { HEARTBEAT_MS, open, token } from "./kit.mjs";

const ROOM = `subscription { roomUpdated(roomId: "r1") { cursor type room { title } } }`;
const JOB = `subscription { jobUpdated(jobId: "j1") { type job { progress } } }`;

let router;
before(async () => {
  router = await open();
});
after(() => router.close());

const client = (options = {}) =>
  createClient({ url: router.url, retryAttempts: 0, headers: { authorization: token() }, ...options });

async function all(operation, made = client()) {
  const answers = [];
  for await (const answer of made.iterate(operation)) answers.push(answer);
  return answers;
}

test("a query is answered once and completes", async () => {
  const query = `query($id: ID!) { room(id: $id) { title } }`;
  const answers = await all({ query, variables: { id: "r1" } });
  assert.deepEqual(answers, [{ data: { room: { title: router.state.title } } }]);
});

test("a mutation is answered once and completes", async () => {
  const query = `mutation M { rename(id: "r1", title: "renamed") { title } } query Q { __typename }`;
  const answers = await all({ query, operationName: "M" });
  assert.deepEqual(answers, [{ data: { rename: { title: "renamed" } } }]);
});

test("a subscription begins with a snapshot and follows events, also after silence", async () => {
  const events = client().iterate({ query: ROOM });
  const first = (await events.next()).value.data.roomUpdated;
  assert.equal(first.type, "SNAPSHOT");
  const next = events.next();
  // Heartbeats come meanwhile; the client takes them for nothing.
  const silence = new Promise((resolve) => setTimeout(resolve, 3 * HEARTBEAT_MS, "silence"));
  assert.equal(await Promise.race([next, silence]), "silence");
  router.state.title = "later";
  await router.room("r1");
  const second = (await next).value.data.roomUpdated;
  assert.deepEqual([second.type, second.room.title], ["ROOM_CHANGED", "later"]);
  await events.return();
});

test("the server completes a subscription that is over", async () => {
  const events = client().iterate({ query: JOB });
  assert.equal((await events.next()).value.data.jobUpdated.type, "SNAPSHOT");
  await router.job("j1", "2026-01-02T03:04:05Z");
  assert.equal((await events.next()).value.data.jobUpdated.type, "JOB_STATE_CHANGED");
  assert.equal((await events.next()).done, true);
  router.state.completedAt = null;
});

test("request errors are an answer, then it completes", async () => {
  for (const [operation, code] of [
    [{ query: "{" }, "GRAPHQL_PARSE_FAILED"],
    [{ query: "{ nope }" }, "GRAPHQL_VALIDATION_FAILED"],
    [{ query: "query($id: ID!) { room(id: $id) { id } }" }, "BAD_USER_INPUT"],
    [{ query: `subscription { roomUpdated(roomId: "other") { type } }` }, "NOT_FOUND"],
  ]) {
    const [answer, ...more] = await all(operation);
    assert.equal(answer.errors[0].extensions.code, code);
    assert.deepEqual(more, []);
  }
});

test("a wrong or expired token is refused with 401", async () => {
  for (const authorization of ["Bearer nonsense", token(-60)]) {
    const made = client({ headers: { authorization } });
    await assert.rejects(all({ query: "{ __typename }" }, made), (error) => error.response.status === 401);
  }
});
