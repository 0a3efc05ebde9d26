// Pure changes of parsed GraphQL documents.
import { Kind, visit } from "graphql";

const byName = (a, b) => {
  const [left, right] = [a, b].map((node) => node.name?.value ?? "");
  return left < right ? -1 : left > right ? 1 : 0;
};

/** The schema's own definition first, then directives, then types. */
const rank = ({ kind }) =>
  kind === Kind.SCHEMA_DEFINITION || kind === Kind.SCHEMA_EXTENSION
    ? 0
    : kind === Kind.DIRECTIVE_DEFINITION
      ? 1
      : 2;

/**
 * Sorts what has no order of meaning: definitions, fields, values, members of
 * unions, interfaces. Arguments keep the order in which their author put them.
 */
export function sortDocument(document) {
  const sorted = (nodes) => nodes && [...nodes].sort(byName);
  const sortInside = (node) => ({
    ...node,
    ...(node.fields && { fields: sorted(node.fields) }),
    ...(node.interfaces && { interfaces: sorted(node.interfaces) }),
    ...(node.kind === Kind.ENUM_TYPE_DEFINITION && { values: sorted(node.values) }),
    ...(node.kind === Kind.UNION_TYPE_DEFINITION && { types: sorted(node.types) }),
  });
  const definitions = document.definitions
    .map(sortInside)
    .sort((a, b) => rank(a) - rank(b) || byName(a, b));
  return { ...document, definitions };
}

/**
 * Removes directives, both where they are defined and where they are used, and
 * then every type that only they used.
 */
export function withoutDirectives(document, names) {
  const isNamed = (node) => names.includes(node.name.value);
  const remove = (node) => (isNamed(node) ? null : undefined);
  const used = (doc) => {
    const found = new Set();
    visit(doc, { NamedType: (node) => void found.add(node.name.value) });
    return found;
  };
  const before = used(document);
  const stripped = visit(document, { Directive: remove, DirectiveDefinition: remove });
  const after = used(stripped);
  const isLeft = ({ kind, name }) =>
    kind.endsWith("TypeDefinition") && before.has(name.value) && !after.has(name.value);
  const roots = ["Query", "Mutation", "Subscription"];
  return {
    ...stripped,
    definitions: stripped.definitions.filter(
      (node) => roots.includes(node.name?.value) || !isLeft(node),
    ),
  };
}
