import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const COMPOSE = fileURLToPath(new URL("../compose.mjs", import.meta.url));
const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5",
  import: ["@key", "@inaccessible", "@composeDirective"])\n`;
const SUBGRAPHS = {
  book: `${LINK}
    type Query { books: [Book!]! secret: Int @inaccessible }
    type Book @key(fields: "id") { id: ID! title: String! }`,
  live: `${LINK}
    extend schema @link(url: "https://example.org/push/v1.0", import: ["@eventSource"])
      @composeDirective(name: "@eventSource")
    directive @eventSource(subject: String!, start: Start = NOW) on FIELD_DEFINITION
    enum Start @inaccessible { NOW }
    type Subscription { bookSold(id: ID!): Book! @eventSource(subject: "book.{args.id}") }
    type Book @key(fields: "id", resolvable: false) { id: ID! }`,
};

/** Composes `subgraphs` in a folder of its own. */
async function compose(t, subgraphs) {
  const folder = await mkdtemp(join(tmpdir(), "compose-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "schema"));
  let config = "subgraphs:\n";
  for (const [name, sdl] of Object.entries(subgraphs)) {
    await writeFile(join(folder, `schema/${name}.graphql`), sdl);
    config += `  ${name}: { schema: schema/${name}.graphql, routing_url: "http://${name}.test/" }\n`;
  }
  await writeFile(join(folder, "supergraph.yaml"), config);
  const { status, stderr } = spawnSync(process.execPath, [COMPOSE, join(folder, "supergraph.yaml")], {
    encoding: "utf8",
  });
  const read = (name) => readFile(join(folder, "schema", name), "utf8");
  return { status, stderr, read };
}

test("clients see the whole and nothing of the machinery", async (t) => {
  const { status, read } = await compose(t, SUBGRAPHS);
  assert.equal(status, 0);

  const supergraph = await read("supergraph.graphql");
  assert.match(supergraph, /bookSold\(id: ID!\): Book! .*@eventSource\(subject: "book\.\{args\.id\}"\)/);
  const api = await read("api.graphql");
  assert.match(api, /bookSold\(id: ID!\): Book!\n/);
  assert.match(api, /title: String!/);
  assert.doesNotMatch(api, /join__|@key|_entities|eventSource|Start|secret|inaccessible/);
});

test("the order of the subgraphs and of their definitions doesn't matter", async (t) => {
  const one = await compose(t, SUBGRAPHS);
  const other = await compose(t, Object.fromEntries(Object.entries(SUBGRAPHS).reverse()));
  for (const name of ["supergraph.graphql", "api.graphql"]) {
    assert.equal(await one.read(name), await other.read(name));
  }
});

test("what doesn't fit together is told by name", async (t) => {
  const clash = `${LINK} type Query { size: Int } type Book @key(fields: "id") { id: ID! title: Int! }`;
  const { status, stderr } = await compose(t, { ...SUBGRAPHS, shop: clash });
  assert.equal(status, 1);
  assert.match(stderr, /Book\.title/);
});

test("a syntax error is told with its place", async (t) => {
  const { status, stderr } = await compose(t, { ...SUBGRAPHS, shop: "type Query { size Int }" });
  assert.equal(status, 1);
  assert.match(stderr, /shop: .*shop\.graphql:1:19: Syntax Error/);
});
