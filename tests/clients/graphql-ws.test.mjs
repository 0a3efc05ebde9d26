// The public client npm `graphql-ws` against the router.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { HEARTBEAT_MS, open, token } from "./kit.mjs";

const ROOM = `subscription { roomUpdated(roomId: "r1") { cursor type room { title } } }`;
const JOB = `subscription { jobUpdated(jobId: "j1") { type job { progress } } }`;

let router;
const clients = [];
before(async () => {
  router = await open();
});
after(async () => {
  for (const client of clients) await client.dispose();
  await router.close();
});

function client(options = {}) {
  const made = createClient({
    url: router.url.replace("http", "ws"),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization: token() },
    ...options,
  });
  clients.push(made);
  return made;
}

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

test("a subscription begins with a snapshot, follows events, and ends when the client is done", async () => {
  const events = client().iterate({ query: ROOM });
  const first = (await events.next()).value.data.roomUpdated;
  assert.equal(first.type, "SNAPSHOT");
  router.state.title = "later";
  await router.room("r1");
  const second = (await events.next()).value.data.roomUpdated;
  assert.deepEqual([second.type, second.room.title], ["ROOM_CHANGED", "later"]);
  assert.notEqual(first.cursor, second.cursor);
  assert.deepEqual(await events.return(), { done: true, value: undefined });
});

test("a subscription is resumed after its cursor", async () => {
  const events = client().iterate({ query: ROOM });
  const { cursor } = (await events.next()).value.data.roomUpdated;
  await events.return();
  await router.room("r1");
  const query = `subscription($after: Cursor) { roomUpdated(roomId: "r1", after: $after) { type } }`;
  const resumed = client().iterate({ query, variables: { after: cursor } });
  assert.deepEqual((await resumed.next()).value.data, { roomUpdated: { type: "ROOM_CHANGED" } });
  await resumed.return();
});

test("the server completes a subscription that is over", async () => {
  const events = client().iterate({ query: JOB });
  assert.equal((await events.next()).value.data.jobUpdated.type, "SNAPSHOT");
  await router.job("j1", "2026-01-02T03:04:05Z");
  assert.equal((await events.next()).value.data.jobUpdated.type, "JOB_STATE_CHANGED");
  assert.deepEqual(await events.next(), { done: true, value: undefined });
  router.state.completedAt = null;
});

test("operations run side by side on one socket", async () => {
  const made = client({ lazy: false });
  const events = made.iterate({ query: ROOM });
  await events.next();
  assert.deepEqual(await all({ query: "{ __typename }" }, made), [{ data: { __typename: "Query" } }]);
  await router.room("r1");
  assert.equal((await events.next()).done, false);
  await events.return();
});

test("request errors end the operation, not the connection", async () => {
  const made = client({ lazy: false });
  for (const [operation, code] of [
    [{ query: "{" }, "GRAPHQL_PARSE_FAILED"],
    [{ query: "{ nope }" }, "GRAPHQL_VALIDATION_FAILED"],
    [{ query: "query($id: ID!) { room(id: $id) { id } }" }, "BAD_USER_INPUT"],
    [{ query: `subscription { roomUpdated(roomId: "other") { type } }` }, "NOT_FOUND"],
  ]) {
    await assert.rejects(all(operation, made), (errors) => errors[0].extensions.code === code);
  }
  assert.equal((await all({ query: "{ __typename }" }, made)).length, 1);
});

test("a document is persisted by its hash", async () => {
  const query = "{ persisted: __typename }";
  const sha256Hash = createHash("sha256").update(query).digest("hex");
  const extensions = { persistedQuery: { version: 1, sha256Hash } };
  const unknown = (errors) => errors[0].extensions.code === "PERSISTED_QUERY_NOT_FOUND";
  // The client insists on a text; none is as good as an empty one.
  await assert.rejects(all({ query: "", extensions }), unknown);
  const answer = [{ data: { persisted: "Query" } }];
  assert.deepEqual(await all({ query, extensions }), answer);
  assert.deepEqual(await all({ query: "", extensions }), answer);
});

test("an operation that passes a limit is refused alone", async () => {
  const fields = Array.from({ length: 101 }, (_, n) => `a${n}: __typename`);
  const refused = (errors) => errors[0].extensions.code === "ALIAS_LIMIT_EXCEEDED";
  await assert.rejects(all({ query: `{ ${fields.join(" ")} }` }), refused);
});

test("a wrong or expired token is refused in connection_init", async () => {
  for (const authorization of ["Bearer nonsense", token(-60), 7]) {
    const made = client({ connectionParams: { authorization } });
    await assert.rejects(all({ query: "{ __typename }" }, made), (close) => close.code === 4403);
  }
});

test("without connection_init there is nothing", async () => {
  const socket = new WebSocket(router.url.replace("http", "ws"), "graphql-transport-ws");
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: "{ __typename }" } }));
  assert.equal(await new Promise((resolve) => socket.once("close", resolve)), 4401);
});

test("the client's pings are answered, and it outlives the server's", async () => {
  const pongs = [];
  let sent = 0;
  let ping;
  const done = new Promise((resolve) => {
    const made = client({
      lazy: false,
      keepAlive: HEARTBEAT_MS / 3,
      on: {
        ping: (received) => void (received || (sent += 1)),
        pong: (received) => received && pongs.push(received) >= 12 && resolve(made),
      },
    });
    ping = made;
  });
  const made = await done;
  assert.ok(sent >= 12);
  assert.deepEqual(await all({ query: "{ __typename }" }, made), [{ data: { __typename: "Query" } }]);
  assert.equal(made, ping);
});
