/** A TOML file held against a strict schema. Every fault in it is told at once, each by the path of its key. */

import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { nearest } from "./nearest.ts";
import { SetupError } from "./setup-error.ts";

const bare = (schema: unknown): unknown =>
  schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? bare(schema.unwrap())
    : schema;

/** The keys that may stand in the table at `path`. */
const keysAt = (schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] => {
  let at: unknown = bare(schema);
  for (const key of path) {
    if (at instanceof z.ZodArray) at = bare(at.element);
    else if (at instanceof z.ZodObject) at = bare(at.shape[String(key)]);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
};

const keyPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`,
    "",
  );

const tell = (schema: z.ZodType, issue: z.core.$ZodIssue): readonly string[] => {
  if (issue.code !== "unrecognized_keys") {
    const where = keyPath(issue.path);
    return [`${where === "" ? "the file" : where}: ${issue.message}`];
  }
  const known = keysAt(schema, issue.path);
  return issue.keys.map((key) => {
    const meant = nearest(key, known);
    const hint = meant === undefined ? "" : `; did you mean \`${meant}\`?`;
    return `${keyPath([...issue.path, key])}: unknown key${hint}`;
  });
};

/** What `read` finds wrong in a table of this schema, told by the paths of its keys. */
export const telling = <T>(schema: z.ZodType, path: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const lines = error.issues.flatMap((issue) => tell(schema, issue));
    throw new SetupError("invalid", `${path} is not valid:\n${lines.map((line) => `  ${line}`).join("\n")}`);
  }
};

export const checkTable = <T extends z.ZodType>(schema: T, table: unknown, path: string): z.infer<T> =>
  telling(schema, path, () => schema.parse(table));

export const parseToml = <T extends z.ZodType>(schema: T, text: string, path: string): z.infer<T> => {
  let table: unknown;
  try {
    table = parse(text, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new SetupError("invalid", `${path} is not TOML: ${error.message}`);
  }
  return checkTable(schema, table, path);
};
