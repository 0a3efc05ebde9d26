// Says what clients would miss: breaking and dangerous changes of schema/api.graphql against the one
// that was committed last. It never fails: whether a change is meant is for people to say.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildSchema, findBreakingChanges, findDangerousChanges } from "graphql";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PATH = "schema/api.graphql";

/**
 * What clients of an API would miss in a newer one.
 *
 * @param {string} before the SDL that they were written for
 * @param {string} after the SDL that is to take its place
 * @returns {string[]} one line each
 */
export function changes(before, after) {
  const [old, now] = [buildSchema(before), buildSchema(after)];
  return [
    ...findBreakingChanges(old, now).map((change) => `breaking: ${change.description}`),
    ...findDangerousChanges(old, now).map((change) => `dangerous: ${change.description}`),
  ];
}

function committed() {
  try {
    return execFileSync("git", ["show", `HEAD:${PATH}`], { cwd: ROOT, encoding: "utf8", stdio: "pipe" });
  } catch {
    return undefined; // no git here, or nothing committed yet
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const before = committed();
  const found = before ? changes(before, readFileSync(`${ROOT}${PATH}`, "utf8")) : [];
  if (found.length > 0) {
    console.error(`moim: ${PATH} differs from the last commit in what clients may rely on:`);
    for (const line of found) console.error(`  ${line}`);
  }
}
