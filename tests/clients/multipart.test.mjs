// Apollo's multipart protocol for subscriptions, read by npm `meros`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { meros } from "meros/browser";
import { open, token } from "./kit.mjs";

const ACCEPT = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json";
const ROOM = `subscription { roomUpdated(roomId: "r1") { cursor type room { title } } }`;
const JOB = `subscription { jobUpdated(jobId: "j1") { type job { progress } } }`;

let router;
before(async () => {
  router = await open();
});
after(() => router.close());

async function send(query, headers = {}, signal = undefined) {
  return fetch(router.url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: ACCEPT, authorization: token(), ...headers },
    body: JSON.stringify({ query }),
    signal,
  });
}

/** The JSON of each part, signs of life too. */
async function* parts(response) {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0');
  for await (const part of await meros(response)) {
    assert.ok(part.json);
    yield part.body;
  }
}

/** The next answer. */
async function answer(stream) {
  for (;;) {
    const { value, done } = await stream.next();
    if (done) return undefined;
    if (Object.keys(value).length > 0) return value.payload;
  }
}

test("a subscription's answers are parts, and silence is filled with signs of life", async () => {
  const abort = new AbortController();
  const stream = parts(await send(ROOM, {}, abort.signal));
  assert.equal((await answer(stream)).data.roomUpdated.type, "SNAPSHOT");
  assert.deepEqual((await stream.next()).value, {});
  router.state.title = "later";
  await router.room("r1");
  const { type, room } = (await answer(stream)).data.roomUpdated;
  assert.deepEqual([type, room.title], ["ROOM_CHANGED", "later"]);
  abort.abort();
});

test("the body ends when the subscription is over", async () => {
  const stream = parts(await send(JOB));
  assert.equal((await answer(stream)).data.jobUpdated.type, "SNAPSHOT");
  await router.job("j1", "2026-01-02T03:04:05Z");
  assert.equal((await answer(stream)).data.jobUpdated.type, "JOB_STATE_CHANGED");
  assert.equal(await answer(stream), undefined);
  router.state.completedAt = null;
});

test("request errors are one part, then the body ends", async () => {
  for (const [query, code] of [
    ["subscription { nope }", "GRAPHQL_VALIDATION_FAILED"],
    [`subscription { roomUpdated(roomId: "other") { type } }`, "NOT_FOUND"],
  ]) {
    const stream = parts(await send(query));
    assert.equal((await answer(stream)).errors[0].extensions.code, code);
    assert.equal(await answer(stream), undefined);
  }
});

test("queries and mutations are answered as JSON", async () => {
  const response = await send(`{ room(id: "r1") { id } }`);
  assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
  assert.deepEqual(await response.json(), { data: { room: { id: "r1" } } });
});

test("a wrong token is refused with 401", async () => {
  assert.equal((await send(ROOM, { authorization: "Bearer nonsense" })).status, 401);
});

test("without gzip, even for clients that want it: parts must not wait", async () => {
  const abort = new AbortController();
  const response = await send(ROOM, { "accept-encoding": "gzip" }, abort.signal);
  assert.equal(response.headers.get("content-encoding"), null);
  abort.abort();
});

test("when the router stops, the client is told to subscribe again", async () => {
  const stopping = await open();
  const response = await fetch(stopping.url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: ACCEPT, authorization: token() },
    body: JSON.stringify({ query: ROOM }),
  });
  const stream = parts(response);
  await answer(stream);
  const closed = stopping.close();
  let last;
  for await (const part of stream) last = part;
  assert.equal(last.payload, null);
  assert.equal(last.errors[0].extensions.code, "SUBSCRIPTION_CLOSED");
  await closed;
});
