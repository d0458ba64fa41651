/** The ways to break a program. Each is one small lie that a test of the rule's meaning should notice. */

import { bare, type Node, nodeAt, nodesAt } from "./syntax.ts";

/** The text from `start` to `end` becomes `to`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly to: string;
}

type Mutator = (node: Node, text: string, within: readonly Node[]) => readonly Edit[];

const slice = (text: string, { start, end }: Node): string => text.slice(start, end);
const replace = ({ start, end }: Node, to: string): Edit => ({ start, end, to });

const sidesOf = (node: Node): readonly [Node, Node] | undefined => {
  const [left, right] = [nodeAt(node, "left"), nodeAt(node, "right")];
  return left === undefined || right === undefined ? undefined : [left, right];
};

/** The same with another operator; in parentheses, for it may bind less tightly. */
const operators =
  (types: readonly string[], table: Readonly<Record<string, readonly string[]>>): Mutator =>
  (node, text) => {
    const sides = types.includes(node.type) ? sidesOf(node) : undefined;
    const operator = String(node["operator"]);
    if (sides === undefined) return [];
    const [left, right] = sides;
    const between = text.slice(left.end, right.start);
    const whole = (to: string): string =>
      text.slice(node.start, left.end) +
      between.replace(operator, () => to) +
      text.slice(right.start, node.end);
    return (table[operator] ?? []).map((to) =>
      replace(node, node.type === "AssignmentExpression" ? whole(to) : `(${whole(to)})`),
    );
  };

const binary = ["BinaryExpression"] as const;

const boundary = operators(binary, { "<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"] });
const comparison = operators(binary, {
  "<": [">="],
  "<=": [">"],
  ">": ["<="],
  ">=": ["<"],
  "===": ["!=="],
  "!==": ["==="],
});
const arithmetic = operators([...binary, "AssignmentExpression"], {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "^": ["|"],
  "+=": ["-="],
  "-=": ["+="],
  "??=": ["="],
});
const logic = operators(["LogicalExpression"], { "&&": ["||"], "||": ["&&"] });

/** `a && b`, `a || b`, `a ?? b`: as if the other were not there. */
const oneSide: Mutator = (node, text) =>
  node.type === "LogicalExpression"
    ? (sidesOf(node) ?? []).map((one) => replace(node, slice(text, one)))
    : [];

const asserts = (node: Node): boolean => {
  const { type } = bare(node);
  return type === "UnaryExpression" || (type === "BinaryExpression" && node["operator"] !== "in");
};

/** Comparisons and negations have mutants of their own that do the same. */
const condition: Mutator = (node, text) => {
  const test =
    node.type === "IfStatement" || node.type === "ConditionalExpression" ? nodeAt(node, "test") : undefined;
  return test === undefined || asserts(test) ? [] : [replace(test, `!(${slice(text, test)})`)];
};

const unary: Mutator = (node, text) => {
  const argument = nodeAt(node, "argument");
  const dropped = node.type === "UnaryExpression" && ["!", "-"].includes(String(node["operator"]));
  return dropped && argument !== undefined ? [replace(node, slice(text, argument))] : [];
};

/** A key that says which property it is, not what it is worth. */
const isKey = (node: Node, [parent]: readonly Node[]): boolean =>
  parent !== undefined &&
  parent["computed"] !== true &&
  (parent["key"] === node || parent["property"] === node);

const literal: Mutator = (node, text, within) => {
  if (node.type !== "Literal" || isKey(node, within)) return [];
  const { value } = node;
  if (typeof value === "boolean") return [replace(node, String(!value))];
  if (typeof value === "number") return [replace(node, `${value + 1}`), replace(node, `(${value - 1})`)];
  const whole = /^(\d[\d_]*)n$/.exec(slice(text, node))?.[1];
  if (whole === undefined) return [];
  const n = BigInt(whole.replaceAll("_", ""));
  return [replace(node, `${n + 1n}n`), replace(node, `(${n - 1n}n)`)];
};

const pairs = [
  ["max", "min"],
  ["some", "every"],
  ["holder", "counterparty"],
  ["least", "most"],
  ["low", "high"],
] as const;
const opposites = new Map<unknown, string>(pairs.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]));

/** The other side, the other end, the other quantifier. */
const opposite: Mutator = (node, text, within) => {
  const [parent] = within;
  if (node.type === "Literal") {
    const to = isKey(node, within) ? undefined : opposites.get(node["value"]);
    return to === undefined ? [] : [replace(node, JSON.stringify(to))];
  }
  const to = node.type === "Identifier" ? opposites.get(slice(text, node)) : undefined;
  const named = parent?.type === "MemberExpression" && parent["property"] === node && !parent["computed"];
  const called = parent?.type === "CallExpression" && parent["callee"] === node;
  return to !== undefined && (named || called) ? [replace(node, to)] : [];
};

/** `list.filter(f)` and its like: as if it were not called. */
const uncalled: Mutator = (node, text) => {
  const callee = node.type === "CallExpression" ? nodeAt(node, "callee") : undefined;
  const [object, property] =
    callee === undefined ? [] : [nodeAt(callee, "object"), nodeAt(callee, "property")];
  if (object === undefined || property === undefined) return [];
  const name = slice(text, property);
  return /^(filter|toSorted|toReversed|slice)$/.test(name) ? [replace(node, slice(text, object))] : [];
};

/** With the comma behind it, so that no hole is left. */
const without = (node: Node, text: string): Edit => {
  const comma = /^\s*,/.exec(text.slice(node.end))?.[0] ?? "";
  return { start: node.start, end: node.end + comma.length, to: "" };
};

const elements: Mutator = (node, text) => {
  if (node.type === "ArrayExpression") return nodesAt(node, "elements").map((one) => without(one, text));
  if (node.type !== "ObjectExpression") return [];
  return nodesAt(node, "properties")
    .filter(({ type }) => type === "SpreadElement")
    .map((one) => without(one, text));
};

const isUndefined = (node: Node, text: string): boolean => slice(text, bare(node)) === "undefined";

/** As if there were nothing to tell: of a check, that the rule is kept. */
const result: Mutator = (node, text) => {
  const value =
    node.type === "ReturnStatement"
      ? nodeAt(node, "argument")
      : node.type === "ArrowFunctionExpression" && node["expression"] === true
        ? nodeAt(node, "body")
        : undefined;
  return value === undefined || isUndefined(value, text) ? [] : [replace(value, "undefined")];
};

const statement: Mutator = (node) => {
  if (node.type === "ExpressionStatement" && node["directive"] == null) return [replace(node, ";")];
  if (node.type === "ContinueStatement" || node.type === "BreakStatement") return [replace(node, ";")];
  return node.type === "IfStatement" && nodeAt(node, "alternate") === undefined ? [replace(node, ";")] : [];
};

export const mutators = {
  boundary,
  comparison,
  arithmetic,
  logic,
  "one side": oneSide,
  condition,
  unary,
  literal,
  opposite,
  uncalled,
  element: elements,
  result,
  statement,
} as const satisfies Readonly<Record<string, Mutator>>;

export type Kind = keyof typeof mutators;
