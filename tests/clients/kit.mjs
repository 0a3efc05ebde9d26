// A router as an operator starts it, over two small subgraphs, fed by a stream
// of its own on a real NATS server.

import { spawn } from "node:child_process";
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect, headers as natsHeaders } from "nats";
import { buildSchema, graphql } from "graphql";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SUPERGRAPH = join(ROOT, "router/tests/push/fixture/supergraph.graphql");
const BINARY = process.env.MOIM_BINARY ?? join(ROOT, "target/debug/moim");
const ISSUER = "https://id.example.org";
/** The longest wait for the router's start, in milliseconds. */
const START_MS = 30_000;

/** Pause between signs of life to clients, in milliseconds: short, so that tests see them. */
export const HEARTBEAT_MS = 300;

const { publicKey, privateKey } = generateKeyPairSync("ed25519");

/** A token for a new viewer that ends in so many seconds. */
export function token(seconds = 600) {
  const now = Math.floor(Date.now() / 1000);
  const json = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: ISSUER, sub: randomUUID(), iat: now, exp: now + seconds };
  const signed = `${json({ alg: "EdDSA", kid: "k1" })}.${json(claims)}`;
  return `Bearer ${signed}.${sign(null, signed, privateKey).toString("base64url")}`;
}

/** A subgraph that answers from `root` and resolves entities by `entity`. */
async function subgraph(sdl, root, entity) {
  const schema = buildSchema(sdl);
  const entities = ({ representations }) => representations.map(entity);
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { query, variables, operationName } = JSON.parse(Buffer.concat(chunks).toString());
    const answer = await graphql({
      schema,
      source: query,
      rootValue: { ...root, _entities: entities },
      variableValues: variables,
      operationName,
    });
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}/graphql` };
}

const ROOMS = `
  scalar _Any
  union _Entity = Room
  type Query { room(id: ID!): Room _entities(representations: [_Any!]!): [_Entity]! }
  type Mutation { rename(id: ID!, title: String!): Room }
  type Room { id: ID! title: String! status: String! }
`;
const JOBS = `
  scalar _Any
  scalar DateTime
  union _Entity = BuildJob | Line
  type Query {
    buildJob(id: ID!): BuildJob
    latestJob(roomId: ID!): Job
    _entities(representations: [_Any!]!): [_Entity]!
  }
  interface Job { id: ID! status: String! progress: Int! completedAt: DateTime }
  type BuildJob implements Job { id: ID! status: String! progress: Int! completedAt: DateTime }
  type Line { id: ID! text: String! }
`;

/** Starts everything. `config` is merged over the test's own configuration of the router. */
export async function open(config = {}) {
  const state = { title: "first", completedAt: null };
  // Room r1 is the only one.
  const room = (id) => (id === "r1" ? { __typename: "Room", id, title: state.title, status: "OPEN" } : null);
  const job = (id) => ({ __typename: "BuildJob", id, status: "RUNNING", progress: 50, completedAt: state.completedAt });
  const rooms = await subgraph(
    ROOMS,
    {
      room: ({ id }) => room(id),
      rename: ({ id, title }) => {
        state.title = title;
        return room(id);
      },
    },
    ({ id }) => room(id),
  );
  const jobs = await subgraph(
    JOBS,
    { buildJob: ({ id }) => job(id), latestJob: () => job("j1") },
    ({ __typename, id }) => (__typename === "Line" ? { __typename, id, text: `text of ${id}` } : job(id)),
  );
  const events = await stream();
  const folder = mkdtempSync(join(tmpdir(), "moim-clients-"));
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k1", alg: "EdDSA", use: "sig" };
  const settings = {
    authentication: { issuers: [{ issuer: ISSUER, jwks: { inline: JSON.stringify({ keys: [jwk] }) } }] },
    subgraphs: { rooms: { url: rooms.url }, jobs: { url: jobs.url } },
    push: { heartbeat_ms: HEARTBEAT_MS },
    ...config,
  };
  // JSON is YAML.
  const file = join(folder, "router.yaml");
  writeFileSync(file, JSON.stringify(settings));
  const { child, url } = await start(file, events.prefix);
  return {
    url,
    state,
    room: (id) => events.publish(`app.event.${id}.room.${id}.changed`, "app.room.changed.v1", { room: { __typename: "Room", id } }),
    job: (id, completedAt) => {
      state.completedAt = completedAt;
      const changed = { job: { __typename: "BuildJob", id, completedAt } };
      return events.publish(`app.event.r1.job.${id}.stateChanged`, "app.job.stateChanged.v1", changed);
    },
    close: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
      for (const { server } of [rooms, jobs]) {
        server.closeAllConnections();
        server.close();
      }
      await events.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Starts `moim router` and waits until it says where it listens. */
async function start(file, prefix) {
  const child = spawn(BINARY, ["router", "--supergraph", SUPERGRAPH, "--config", file], {
    env: { ...process.env, MOIM_LISTEN: "127.0.0.1:0", MOIM_NATS_PREFIX: prefix, MOIM_LOG: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("the router doesn't start")), START_MS);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the router ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [address] = line.match(/http:\/\/\S+\/graphql/) ?? [];
      if (!address) return;
      clearTimeout(late);
      resolve(address);
    });
  });
  child.removeAllListeners("exit");
  return { child, url };
}

/** A stream of its own. */
async function stream() {
  const server = process.env.MOIM_NATS_URL;
  if (!server) throw new Error("MOIM_NATS_URL is not set: run `cargo run -p stack -- run -- node --test tests/clients/*.test.mjs`");
  const nats = await connect({ servers: server });
  const prefix = `c${randomUUID().slice(-12)}`;
  const manager = await nats.jetstreamManager();
  const name = `${prefix}_PUSH`;
  await manager.streams.add({ name, subjects: [`${prefix}.app.>`], storage: "memory" });
  const jetstream = nats.jetstream();
  return {
    prefix,
    publish: async (subject, type, changed) => {
      const headers = natsHeaders();
      headers.set("Nats-Msg-Id", randomUUID());
      headers.set("Moim-Type", type);
      headers.set("Moim-Time", new Date().toISOString());
      headers.set("Moim-Changed", JSON.stringify(changed));
      await jetstream.publish(`${prefix}.${subject}`, "{}", { headers });
    },
    close: async () => {
      await manager.streams.delete(name);
      await nats.close();
    },
  };
}
