// Composes the cases' subgraphs: schema/<case>.graphql holds all of them, each
// under a line `#: <name>` (or `#: <name> fed1` for a schema in the style of
// Federation 1), and becomes schema/<case>.supergraph.graphql.
//
//   npm ci --prefix ../../../schema && node compose.mjs [CASE…]
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../schema/package.json", import.meta.url));
const { composeServices, compositionHasErrors } = require("@theguild/federation-composition");
const { parse } = require("graphql");

const FOLDER = new URL("schema/", import.meta.url);
const LINK = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key",
  "@requires", "@provides", "@external", "@shareable", "@override", "@inaccessible", "@tag",
  "@interfaceObject", "@extends", "@composeDirective"])\n`;

const cases = process.argv.slice(2);
for (const file of readdirSync(FOLDER).sort()) {
  const name = file.replace(".graphql", "");
  if (name.endsWith(".supergraph") || (cases.length > 0 && !cases.includes(name))) continue;
  const parts = readFileSync(new URL(file, FOLDER), "utf8").split(/^#: /m).slice(1);
  const services = parts.map((part) => {
    const end = part.indexOf("\n");
    const [service, style] = part.slice(0, end).trim().split(" ");
    const typeDefs = parse((style === "fed1" ? "" : LINK) + part.slice(end));
    return { name: service, url: `http://127.0.0.1:1/${service}`, typeDefs };
  });
  const result = composeServices(services);
  if (compositionHasErrors(result)) {
    console.error(`${name}:`, result.errors.map((error) => error.message).join("\n  "));
    process.exitCode = 1;
    continue;
  }
  writeFileSync(new URL(`${name}.supergraph.graphql`, FOLDER), `${result.supergraphSdl}\n`);
}
