import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { buildSchema } from "graphql";
import { lint } from "../lint.mjs";

test("the public API keeps its conventions", async () => {
  const api = await readFile(new URL("../api.graphql", import.meta.url), "utf8");
  assert.deepEqual(lint(buildSchema(api)), []);
});

const GOOD = `
"Questions."
type Query {
  "A book."
  book("Which." id: ID!): Book
  "All of them."
  books("How many." first: Int, "After which." after: String): BookConnection!
}
"Changes."
type Mutation {
  "Buys."
  buyBook("What." input: BuyBookInput!): BuyBookPayload!
}
"What is bought."
input BuyBookInput {
  "Which."
  bookId: ID!
  "For repeated requests."
  idempotencyKey: String
}
"What it came to."
type BuyBookPayload {
  "It."
  book: Book
  "What to mend."
  userErrors: [UserError!]!
}
"A mistake."
type UserError {
  "Stable."
  code: String!
}
"A book."
type Book {
  "Its id."
  id: ID!
  "When it was printed."
  printedAt: DateTime!
  "What it is."
  kind: Kind!
}
"A kind."
enum Kind {
  "Long."
  NOVEL
}
"A moment."
scalar DateTime
"Some books."
type BookConnection {
  "The books."
  nodes: [Book!]!
  "The same, with cursors."
  edges: [BookEdge!]!
  "Where it is."
  pageInfo: PageInfo!
}
"A book with its cursor."
type BookEdge {
  "It."
  node: Book!
  "Where it is."
  cursor: String!
}
"Where a page is."
type PageInfo {
  "Whether there is more."
  hasNextPage: Boolean!
}
`;

test("what keeps them isn't complained about", () => {
  assert.deepEqual(lint(buildSchema(GOOD)), []);
});

const BAD = [
  ['"A book."\n  book(', '"A book."\n  Book_(', "Query.Book_: a name is in camelCase"],
  ['"Which." id: ID!', "id: ID!", "Query.book(id:): it has no description"],
  ['"A moment."', '"A moment"', "DateTime: its description ends without a full stop"],
  ["NOVEL", "novel", "Kind.novel: an enum's value is in UPPER_CASE"],
  ["bookId: ID!", "bookId: String!", "BuyBookInput.bookId: what is called an id is an ID"],
  ["printedAt: DateTime!", "printedAt: String!", "Book.printedAt: a moment is a DateTime"],
  ["nodes: [Book!]!", "nodes: [Book]!", "BookConnection.nodes: a list holds no nulls"],
  ['"How many." first: Int', '"How many." first: Int!', "Query.books: a connection takes first, an optional Int"],
  ['"For repeated requests."\n  idempotencyKey: String\n', "", "Mutation.buyBook: what may be sent again takes an idempotencyKey"],
  ["input: BuyBookInput!", "what: BuyBookInput!", "Mutation.buyBook: a mutation takes one argument, input: BuyBookInput!"],
  ["userErrors: [UserError!]!", "userErrors: [UserError!]", "Mutation.buyBook: a payload has userErrors: [UserError!]!"],
  ['"It."\n  book: Book\n', '"It."\n  book: Book!\n', "BuyBookPayload.book: what a refused mutation hasn't made is null"],
];

for (const [from, to, complaint] of BAD) {
  test(`complains: ${complaint}`, () => {
    assert.ok(GOOD.includes(from));
    assert.deepEqual(lint(buildSchema(GOOD.replace(from, to))), [complaint]);
  });
}
