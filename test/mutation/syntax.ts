/** The source as a tree with positions. TypeScript 7 has no compiler API; vitest brings a parser that has types. */

import { parseAst } from "vitest/node";

/** ESTree, as far as a mutator looks. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export const parse = (text: string): Node => parseAst(text, { lang: "ts" }) as unknown as Node;

export const isNode = (value: unknown): value is Node =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as { readonly type?: unknown }).type === "string";

/** Node's loader removes these, so nothing in them can be a mutant. */
const types = new Set([
  "typeAnnotation",
  "returnType",
  "typeParameters",
  "typeArguments",
  "superTypeArguments",
]);
const declarations = /^(TSInterface|TSTypeAlias|TSDeclareFunction|Import)/;

export const childrenOf = (node: Node): readonly Node[] =>
  Object.entries(node)
    .filter(([field]) => !types.has(field))
    .flatMap(([, value]) => value)
    .filter(isNode)
    .filter((child) => !declarations.test(child.type) && child["declare"] !== true);

/** Every node that runs, with those that it is in, the innermost first. */
export const walk = (
  node: Node,
  visit: (node: Node, within: readonly Node[]) => void,
  within: readonly Node[] = [],
): void => {
  visit(node, within);
  for (const child of childrenOf(node)) walk(child, visit, [node, ...within]);
};

/** Behind parentheses and what only types see. */
export const bare = (node: Node): Node =>
  isNode(node["expression"]) && /^(Parenthesized|TSAs|TSSatisfies|TSNonNull)/.test(node.type)
    ? bare(node["expression"])
    : node;

export const nodeAt = (node: Node, field: string): Node | undefined => {
  const value = node[field];
  return isNode(value) ? value : undefined;
};

export const nodesAt = (node: Node, field: string): readonly Node[] => {
  const value = node[field];
  return Array.isArray(value) ? value.filter(isNode) : [];
};

/** What a module takes from others when it runs; `import type` is gone by then. */
export const importsOf = (text: string): readonly string[] =>
  nodesAt(parse(text), "body")
    .filter(({ type }) => /^(Import|ExportNamed|ExportAll)Declaration$/.test(type))
    .filter((node) => node["importKind"] !== "type" && node["exportKind"] !== "type")
    .flatMap((node) => nodeAt(node, "source")?.["value"] ?? [])
    .filter((source) => typeof source === "string");
