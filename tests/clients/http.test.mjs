// The public audit of GraphQL over HTTP against the router.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serverAudits } from "graphql-http";
import { open } from "./kit.mjs";

let router;
before(async () => {
  router = await open();
});
after(() => router.close());

// The router answers no request that a page of a foreign origin could make a
// browser send without asking first, and the audit's GETs are of that kind: any
// of `Accept`'s media types is sent without a preflight. So they carry the
// header that makes browsers ask, as every client that sends GETs to it must.
const fetchFn = (url, init = {}) => {
  const headers = new Headers(init.headers);
  if ((init.method ?? "GET") === "GET") headers.set("apollo-require-preflight", "1");
  return fetch(url, { ...init, headers });
};

test("the audit of GraphQL over HTTP", async (context) => {
  let optional = { ok: 0, other: [] };
  for (const audit of serverAudits({ url: () => router.url, fetchFn })) {
    if (/^(MUST|SHOULD)/.test(audit.name)) {
      await context.test(`${audit.id} ${audit.name}`, async () => {
        const result = await audit.fn();
        assert.equal(result.status, "ok", result.reason);
      });
      continue;
    }
    const result = await audit.fn();
    if (result.status === "ok") optional.ok += 1;
    else optional.other.push(`${audit.id} ${audit.name}: ${result.reason}`);
  }
  context.diagnostic(`MAY: ${optional.ok} as the audit likes them`);
  for (const line of optional.other) context.diagnostic(line);
});

test("without that header a GET is refused, whatever it accepts", async () => {
  const url = new URL(router.url);
  url.searchParams.set("query", "{ __typename }");
  for (const accept of ["application/json", "application/graphql-response+json", "*/*"]) {
    const response = await fetch(url, { headers: { accept } });
    assert.equal(response.status, 400);
    const { errors } = await response.json();
    assert.equal(errors[0].extensions.code, "BAD_REQUEST");
  }
});
