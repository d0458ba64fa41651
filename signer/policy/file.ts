/** A policy as a file: the `[policy]` tables of the configuration, or a file with nothing but that table. */

import { z } from "zod";
import { toHex } from "../../protocol/bytes.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { Msat } from "../../protocol/units.ts";
import { type Config, type ConfigNode, parseConfig, policyOf } from "../config.ts";
import { type Figure, figures, sections } from "../core/policy/figures.ts";
import { type PresetName, presetFor, presetNames } from "../core/policy/presets.ts";
import { type Policy, policyTable, readPolicy } from "../core/policy.ts";
import { SetupError } from "../setup-error.ts";
import { checkTable, parseToml, telling } from "../toml.ts";
import { grouped, showMsat, showShare } from "./amounts.ts";

export interface PolicyFile {
  readonly network: Network;
  readonly preset: PresetName;
  readonly policy: Policy;
}

/** Of a node that has a table of its own. */
export interface NodePolicy extends PolicyFile {
  readonly node: string;
}

export interface PolicyFiles extends PolicyFile {
  readonly nodes?: readonly NodePolicy[];
}

const ownFile = z.strictObject({
  policy: z.record(z.string(), z.unknown(), "missing: the limits stand in a table [policy]"),
});

const isPreset = (name: unknown): name is PresetName => presetNames.some((known) => known === name);

const presetIn = (table: Config["policy"], network: Network): PresetName =>
  isPreset(table?.["preset"]) ? table["preset"] : presetFor(network);

/** The policy in force for a node of this configuration. */
export const policyFileOf = (config: Config, of: ConfigNode, path: string): PolicyFile => {
  const { network } = config;
  return {
    network,
    preset: presetIn(of.policy ?? config.policy, network),
    policy: policyOf(config, of, path),
  };
};

const policiesOf = (config: Config, path: string): PolicyFiles => {
  const { network, policy: table } = config;
  const policy = telling(policyTable, `${path}, [policy]`, () => readPolicy(network, table));
  const nodes = config.node
    .filter((of) => of.policy !== undefined)
    .map((of) => ({ node: of.id, ...policyFileOf(config, of, path) }));
  return { network, preset: presetIn(table, network), policy, ...(nodes.length === 0 ? {} : { nodes }) };
};

/** A configuration says its network itself; `asked` is the network of any other file. */
export const parsePolicyFile = (text: string, path: string, asked?: Network): PolicyFiles => {
  const file = parseToml(z.record(z.string(), z.unknown()), text, path);
  if ("schema" in file) {
    const found = policiesOf(parseConfig(text, path), path);
    if (asked !== undefined && asked !== found.network)
      throw new SetupError("usage", `${path} is for ${found.network}, not for ${asked}`);
    return found;
  }
  const loose = Object.keys(file).find((key) => key === "preset" || key in figures);
  if (loose !== undefined)
    throw new SetupError(
      "invalid",
      `${path} is not valid:\n  ${loose}: stands outside of [policy]`,
      "Put a line `[policy]` above the limits.",
    );
  const { policy: table } = checkTable(ownFile, file, path);
  const network = asked ?? "bitcoin";
  const policy = telling(policyTable, `${path}, [policy]`, () => readPolicy(network, table));
  return { network, preset: presetIn(table, network), policy };
};

const quoted = (texts: readonly string[]): string =>
  texts.length === 0 ? "[]" : `[\n${texts.map((text) => `  "${text}",`).join("\n")}\n]`;

/** As TOML has it; long numbers with underscores. */
const written = (value: Policy[keyof Policy]): string => {
  if (typeof value === "boolean") return String(value);
  return typeof value === "object" ? quoted(value.map(toHex)) : grouped(value).replaceAll(",", "_");
};

/** What the number counts, where the sentence does not say it. */
const unitOf = ({ unit }: Figure<unknown>, value: Policy[keyof Policy]): string => {
  switch (unit) {
    case "sat":
      return " In sat.";
    case "msat":
      return ` In msat: ${showMsat(value as Msat)}.`;
    case "feerate":
      return " In sat for 1000 weight units; 250 are 1 sat/vB.";
    case "blocks":
      return " In blocks.";
    case "seconds":
      return " In seconds.";
    case "ppm":
      return ` ${showShare(Number(value))}.`;
    case "count":
    case "switch":
    case "scripts":
    case "nodes":
      return "";
  }
};

/** Complete, with each limit under its sentence. `parsePolicyFile` reads the same policy from it. */
export const printPolicy = ({ network, preset, policy }: PolicyFile): string => {
  const parts = Object.entries(sections).map(([title, section]) => {
    const limits = (Object.keys(section) as readonly (keyof Policy)[]).map((name) => {
      const figure = figures[name];
      return `# ${figure.sentence}${unitOf(figure, policy[name])}\n${name} = ${written(policy[name])}\n`;
    });
    return [`# ---- ${title} ----\n`, ...limits].join("\n");
  });
  const head =
    `# The limits of one node, on ${network}: the table [policy] of countersign.toml.\n` +
    "# What is left out is the preset's.\n" +
    `[policy]\npreset = "${preset}"\n`;
  return [head, ...parts].join("\n");
};
