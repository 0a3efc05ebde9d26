// What every part of the public API has in common: ARCHITECTURE.md doesn't repeat it, this does.

import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
} from "graphql";

const CAMEL = /^[a-z][a-zA-Z0-9]*$/;
const PASCAL = /^[A-Z][a-zA-Z0-9]*$/;
const UPPER = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;

// Mutations without an idempotencyKey. A key is a viewer's, and who registers or shows credentials is nobody yet: a
// second registration is told EMAIL_TAKEN, a second log-in is another session, a refresh token is good for one exchange,
// and a session that ended stays so. Evicting changes no data, and the cache takes part in no transaction that could
// note the key: what is dropped twice is read once more.
const UNKEYED = new Set(["register", "login", "refresh", "logout", "evictCache"]);

/**
 * What a schema does that it shouldn't.
 *
 * @param {import("graphql").GraphQLSchema} schema the public API
 * @returns {string[]} one sentence each, beginning with the schema coordinate; none: all is well
 */
export function lint(schema) {
  const found = [];
  const say = (coordinate, what) => found.push(`${coordinate}: ${what}`);
  const mutation = schema.getMutationType();
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue;
    if (!PASCAL.test(type.name)) say(type.name, "a type's name is in PascalCase");
    described(say, type.name, type);
    if (isEnumType(type)) {
      for (const value of type.getValues()) {
        const coordinate = `${type.name}.${value.name}`;
        if (!UPPER.test(value.name)) say(coordinate, "an enum's value is in UPPER_CASE");
        described(say, coordinate, value);
      }
    }
    if (isInputObjectType(type)) {
      if (!/(Input|Filter)$/.test(type.name)) say(type.name, "an input's name ends with Input or Filter");
      for (const field of Object.values(type.getFields())) input(say, `${type.name}.${field.name}`, field);
    }
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        output(say, type, field);
        if (type === mutation) change(say, field);
      }
      if (type.name.endsWith("Connection")) connection(say, type);
    }
  }
  for (const directive of schema.getDirectives()) described(say, `@${directive.name}`, directive);
  return found;
}

function described(say, coordinate, part) {
  const text = part.description?.trim();
  if (!text) return say(coordinate, "it has no description");
  if (!/[.:;)`]$/.test(text)) say(coordinate, "its description ends without a full stop");
}

function named(say, coordinate, part) {
  if (!CAMEL.test(part.name)) say(coordinate, "a name is in camelCase");
  described(say, coordinate, part);
  if (part.deprecationReason === "No longer supported") say(coordinate, "its deprecation says no reason");
}

// An id is an ID, whatever it is of; and a list holds no nulls.
function shaped(say, coordinate, part) {
  const type = getNamedType(part.type).name;
  const isId = part.name === "id" || /(^|[a-z])Ids?$/.test(part.name);
  if (isId && type !== "ID") say(coordinate, "what is called an id is an ID");
  if (part.name === "id" && !isNonNullType(part.type)) say(coordinate, "an object's id is never null");
  if (/(At|Until)$/.test(part.name) && type !== "DateTime") say(coordinate, "a moment is a DateTime");
  const list = getNullableType(part.type);
  if (isListType(list) && !isNonNullType(list.ofType)) say(coordinate, "a list holds no nulls");
}

function input(say, coordinate, field) {
  named(say, coordinate, field);
  shaped(say, coordinate, field);
  if (field.name === "idempotencyKey" && String(field.type) !== "String") {
    say(coordinate, "an idempotency key is optional, and a String");
  }
}

function output(say, type, field) {
  const coordinate = `${type.name}.${field.name}`;
  named(say, coordinate, field);
  shaped(say, coordinate, field);
  for (const argument of field.args) {
    const place = `${coordinate}(${argument.name}:)`;
    named(say, place, argument);
    shaped(say, place, argument);
  }
  const of = (name) => field.args.find((argument) => argument.name === name);
  if (getNamedType(field.type).name.endsWith("Connection")) {
    if (String(of("first")?.type) !== "Int") say(coordinate, "a connection takes first, an optional Int");
    if (!of("after")) say(coordinate, "a connection takes after");
  }
}

function connection(say, type) {
  const fields = type.getFields();
  if (!fields.nodes) say(type.name, "a connection has nodes");
  if (!fields.edges) say(type.name, "a connection has edges");
  if (String(fields.pageInfo?.type) !== "PageInfo!") say(type.name, "a connection has a pageInfo");
}

// One input, named after the mutation; one payload, with what the user can mend.
function change(say, field) {
  const coordinate = `Mutation.${field.name}`;
  const wanted = `${field.name[0].toUpperCase()}${field.name.slice(1)}Input!`;
  const [only, ...others] = field.args;
  if (only?.name !== "input" || String(only.type) !== wanted || others.length > 0) {
    say(coordinate, `a mutation takes one argument, input: ${wanted}`);
  }
  const taken = only && getNamedType(only.type);
  if (isInputObjectType(taken) && !taken.getFields().idempotencyKey && !UNKEYED.has(field.name)) {
    say(coordinate, "what may be sent again takes an idempotencyKey");
  }
  const payload = getNullableType(field.type);
  const errors = isObjectType(payload) && payload.getFields().userErrors;
  if (!isNonNullType(field.type) || !payload.name.endsWith("Payload")) {
    say(coordinate, "a mutation's answer is a Payload, never null");
  }
  if (String(errors?.type) !== "[UserError!]!") say(coordinate, "a payload has userErrors: [UserError!]!");
  for (const part of Object.values(isObjectType(payload) ? payload.getFields() : {})) {
    const isEntity = isObjectType(getNullableType(part.type));
    if (isEntity && isNonNullType(part.type) && part.name !== "me") {
      say(`${payload.name}.${part.name}`, "what a refused mutation hasn't made is null");
    }
  }
}
