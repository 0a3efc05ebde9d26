// Composes the subgraphs that supergraph.yaml names into supergraph.graphql,
// which the router loads, and api.graphql, which clients see. The same input
// gives the same output, byte by byte.
//
//   node compose.mjs [CONFIG]    (default: ../supergraph.yaml)
import { readFile, rename, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  compositionHasErrors,
  composeServices,
  transformSupergraphToPublicSchema,
} from "@theguild/federation-composition";
import { parse as parseGraphQL, print } from "graphql";
import { parse as parseYaml } from "yaml";
import { sortDocument, withoutDirectives } from "./document.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const NOTICE = "# Composed by `make schema`. Don't edit.\n\n";
/** Directives that tell the router something and clients nothing. */
const ROUTER_ONLY = ["eventSource", "viewerIndependent"];

/** What the person who runs this can mend. */
class CompositionError extends Error {}

async function readSubgraphs(configPath) {
  const config = parseYaml(await readFile(configPath, "utf8"));
  const entries = Object.entries(config?.subgraphs ?? {});
  if (entries.length === 0) throw new CompositionError(`${configPath}: no subgraphs`);
  return Promise.all(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(async ([name, { schema, routing_url: url }]) => {
      if (!schema || !url) {
        throw new CompositionError(`${configPath}: ${name} needs schema and routing_url`);
      }
      const path = resolve(dirname(configPath), schema);
      return { name, url, path, typeDefs: await readSchema(name, path) };
    }),
  );
}

async function readSchema(name, path) {
  try {
    return parseGraphQL(await readFile(path, "utf8"));
  } catch (error) {
    const place = error.locations?.[0];
    const where = place ? `${path}:${place.line}:${place.column}` : path;
    throw new CompositionError(`${name}: ${where}: ${error.message}`);
  }
}

function compose(subgraphs) {
  const result = composeServices(subgraphs);
  if (compositionHasErrors(result)) {
    const lines = result.errors.map(({ message, extensions }) =>
      [extensions?.code, message].filter(Boolean).join(": "),
    );
    throw new CompositionError(`the subgraphs don't fit together:\n  ${lines.join("\n  ")}`);
  }
  return parseGraphQL(result.supergraphSdl);
}

async function write(path, document) {
  const half = `${path}.new`;
  await writeFile(half, `${NOTICE}${print(document)}\n`);
  await rename(half, path);
}

try {
  const configPath = resolve(process.argv[2] ?? resolve(HERE, "../supergraph.yaml"));
  const folder = resolve(dirname(configPath), "schema");
  const supergraph = sortDocument(compose(await readSubgraphs(configPath)));
  const api = withoutDirectives(transformSupergraphToPublicSchema(supergraph), ROUTER_ONLY);
  await write(resolve(folder, "supergraph.graphql"), supergraph);
  await write(resolve(folder, "api.graphql"), sortDocument(api));
} catch (error) {
  if (!(error instanceof CompositionError) && error.code !== "ENOENT") throw error;
  console.error(`compose: ${error.message}`);
  process.exitCode = 1;
}
