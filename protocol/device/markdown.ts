/** Prints the tables of docs/device-messages.md. */

import type { Shape } from "../codec.ts";
import { cell, typeName } from "../operations/markdown.ts";
import {
  allNamed,
  type ChoiceShape,
  describe,
  failureShapes,
  type MessageShape,
  named,
} from "../operations/shapes.ts";
import { coreAnswerShapes, coreRefusalMeanings, coreRefusals, coreRequestShapes } from "./core.ts";
import {
  deviceAnswerShapes,
  deviceRequestShapes,
  forCore,
  forDevice,
  messagesVersion,
  refusalMeanings,
  refusals,
  stageMeanings,
  stages,
} from "./requests.ts";
import type { KindShape } from "./union.ts";

type Fields = Readonly<Record<string, Shape>>;

interface Size {
  readonly least: number;
  readonly most: number;
}

const sum = (sizes: readonly Size[]): Size => ({
  least: sizes.reduce((all, { least }) => all + least, 0),
  most: sizes.reduce((all, { most }) => all + most, 0),
});

const countLength = (max: number): number => (max < 0x1_0000 ? 2 : 4);

/** Bytes of the packed form. */
export const sizeOf = (shape: Shape): Size => {
  switch (shape.kind) {
    case "uint":
      return { least: shape.bits / 8, most: shape.bits / 8 };
    case "bool":
    case "choice":
      return { least: 1, most: 1 };
    case "bytes":
      return { least: shape.length, most: shape.length };
    case "blob":
    case "text":
      return { least: countLength(shape.max), most: countLength(shape.max) + shape.max };
    case "list":
      return {
        least: countLength(shape.max),
        most: countLength(shape.max) + shape.max * sizeOf(shape.of).most,
      };
    case "maybe":
      return { least: 1, most: 1 + sizeOf(shape.of).most };
    case "message":
      return sizeOfFields(shape.fields);
  }
};
const sizeOfFields = (fields: Fields): Size => sum(Object.values(fields).map(sizeOf));

const fixedSize = (shape: Shape): number | undefined => {
  const { least, most } = sizeOf(shape);
  return least === most ? least : undefined;
};

const sizeText = (shape: Shape): string => {
  const fixed = fixedSize(shape);
  if (fixed !== undefined) return String(fixed);
  switch (shape.kind) {
    case "blob":
    case "text":
      return `${countLength(shape.max)} + *n*`;
    case "list": {
      const each = fixedSize(shape.of);
      return `${countLength(shape.max)} + ${each === undefined ? "items" : `${each} *n*`}`;
    }
    case "maybe": {
      const known = fixedSize(shape.of);
      return `1, or 1 + ${known ?? sizeText(shape.of)}`;
    }
    case "uint":
    case "bool":
    case "bytes":
    case "choice":
    case "message":
      return "its fields";
  }
};

const operationsOwn = new Set([...allNamed(), ...failureShapes].map(({ name }) => name));
const link = (name: string): string =>
  `[${name}](${operationsOwn.has(name) ? "operations.md" : ""}#${name.toLowerCase()})`;

/** A message of these alone stands in the table of what it is in. */
const inline = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, shape]) =>
      shape.kind === "message" && !operationsOwn.has(shape.name)
        ? Object.entries(inline(shape.fields)).map(([inner, one]) => [`${name}.${inner}`, one])
        : [[name, shape]],
    ),
  );

/** `first`: where the fields begin, or undefined where that depends on what is around them. */
const fieldTable = (fields: Fields, first: number | undefined): string => {
  let at: number | undefined = first;
  const rows = Object.entries(inline(fields)).map(([name, shape]) => {
    const place = at === undefined ? "" : String(at);
    const size = fixedSize(shape);
    at = at === undefined || size === undefined ? undefined : at + size;
    const about = describe(shape.kind === "maybe" ? shape.of : shape);
    return `| ${place} | ${sizeText(shape)} | \`${name}\` | ${typeName(shape, link)} | ${cell(about)} |`;
  });
  return ["| at | bytes | field | type | unit and bounds |", "|-|-|-|-|-|", ...rows].join("\n");
};

/** More than any link carries: what bounds it is the link, and what the device says of itself. */
const carried = 262_144;

const begins = (addressee: number, { number }: KindShape): string =>
  [addressee, number].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

const group = (title: string, addressee: number, kinds: readonly KindShape[]): readonly string[] => [
  `### ${title}`,
  [
    "| begins | name | longest | |",
    "|-|-|-|-|",
    ...kinds.map((kind) => {
      const most = 2 + sizeOfFields(kind.fields).most;
      const longest = most > carried ? "the link's" : String(most);
      return `| \`${begins(addressee, kind)}\` | ${kind.name} | ${longest} | ${cell(kind.sentence)} |`;
    }),
  ].join("\n"),
  ...kinds.flatMap((kind) =>
    Object.keys(kind.fields).length === 0
      ? []
      : [`**${kind.name}** (\`${begins(addressee, kind)}\`)`, fieldTable(kind.fields, 2)],
  ),
];

const meanings = <N extends string>(
  title: string,
  about: string,
  names: readonly N[],
  texts: Readonly<Record<N, string>>,
): readonly string[] => [
  `### ${title}`,
  about,
  [
    "| | | |",
    "|-|-|-|",
    ...names.map((name, at) => `| ${at + 1} | \`${name}\` | ${cell(texts[name])} |`),
  ].join("\n"),
];

const roots = (kinds: readonly KindShape[]): readonly Shape[] =>
  kinds.map(({ name, fields }) => ({ kind: "message", name, fields: inline(fields) }));

/** They have a table of meanings. */
const explained = new Set(["DeviceStage", "DeviceRefusal", "CoreRefusal"]);

const shared = (): readonly string[] =>
  named([deviceRequestShapes, deviceAnswerShapes, coreRequestShapes, coreAnswerShapes].flatMap(roots))
    .filter(({ name }) => !operationsOwn.has(name) && !explained.has(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((shape: MessageShape | ChoiceShape) => [
      `### ${shape.name}`,
      shape.kind === "message"
        ? fieldTable(shape.fields, 0)
        : shape.values.map((word, at) => `${at + 1} \`${word}\``).join(", "),
    ]);

export const printDeviceMessages = (head: string): string =>
  `${[
    "<!-- Printed by `npm run print`: do not edit. The tables are the code's, what stands before them is build/device-messages.md. -->",
    head.trim(),
    "## The messages",
    `Version ${messagesVersion}. *At* counts from the message's first byte, as long as what stands before has one length; *longest* is the most that a decoder may take.`,
    ...group("Asked of the device", forDevice, deviceRequestShapes),
    ...group("Answered by the device", forDevice, deviceAnswerShapes),
    ...group("Asked of the core", forCore, coreRequestShapes),
    ...group("Answered by the core", forCore, coreAnswerShapes),
    "## Choices and types",
    "Those of the operations are in [operations.md](operations.md#shared-types).",
    ...meanings("DeviceStage", "What the device waits for.", stages, stageMeanings),
    ...meanings(
      "DeviceRefusal",
      "Why the device does not do it. `waitMs` and `left` are 0 where nothing else is said.",
      refusals,
      refusalMeanings,
    ),
    ...meanings(
      "CoreRefusal",
      "Why the core does not do it, before any rule was asked.",
      coreRefusals,
      coreRefusalMeanings,
    ),
    ...shared(),
  ].join("\n\n")}\n`;
