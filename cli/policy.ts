/** `countersign policy`: what a policy allows, a whole one to begin with, and the rules that no policy turns off. */

import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { toHex } from "../protocol/bytes.ts";
import type { Network } from "../protocol/operations/fields.ts";
import { configFile, networks, readConfig } from "../signer/config.ts";
import {
  type PresetName,
  presetFor,
  presetNames,
  presetPolicy,
  presetSentences,
} from "../signer/core/policy/presets.ts";
import type { Policy } from "../signer/core/policy.ts";
import type { RuleText } from "../signer/core/rule.ts";
import { allRules } from "../signer/core/rules/index.ts";
import { explainPolicy } from "../signer/policy/explain.ts";
import { type PolicyFile, parsePolicyFile, policyFileOf, printPolicy } from "../signer/policy/file.ts";
import { odditiesOf } from "../signer/policy/oddities.ts";
import { SetupError } from "../signer/setup-error.ts";
import { registerExplain } from "./explain.ts";
import { textIn } from "./input.ts";
import { nodeIn, withNodeOption } from "./nodes.ts";
import { table } from "./terminal.ts";

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** Amounts as strings: millisatoshi go past what a JSON number holds exactly. */
const raw = (policy: Policy): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(policy).map(([name, value]: [string, Policy[keyof Policy]]) => {
      if (typeof value === "bigint") return [name, String(value)];
      return [name, typeof value === "object" ? value.map(toHex) : value];
    }),
  );

export interface CheckOptions {
  readonly network?: Network;
  readonly json?: true;
}

const judged = ({ network, policy }: PolicyFile) => ({
  allows: explainPolicy(policy),
  warnings: odditiesOf(policy, network),
});

const policyText = (file: PolicyFile): readonly string[] => {
  const { allows, warnings } = judged(file);
  const warned = warnings.map(({ limits, sentence }) => `Warning: ${sentence} (${limits.join(", ")})`);
  return [...allows, ...(warned.length === 0 ? [] : ["", ...warned])];
};

export const checkText = (file: string, text: string, { network: asked, json }: CheckOptions): string => {
  const { nodes = [], ...found } = parsePolicyFile(text, file, asked);
  const { network, preset, policy } = found;
  if (json) {
    const own = nodes.map((one) => ({ ...one, policy: raw(one.policy), ...judged(one) }));
    const all = { file, network, preset, policy: raw(policy), ...judged(found) };
    return JSON.stringify(own.length === 0 ? all : { ...all, nodes: own });
  }
  return [
    `${file} is valid for ${network}, after the preset ${preset}.`,
    "",
    ...policyText(found),
    ...nodes.flatMap((one) => [
      "",
      `Node ${one.node} has a policy of its own, after the preset ${one.preset}.`,
      "",
      ...policyText(one),
    ]),
  ].join("\n");
};

export interface ShowOptions {
  readonly preset?: PresetName;
  readonly network?: Network;
  readonly dir?: string;
  readonly node?: string;
}

const chosen = ({ preset: asked, network: on, dir, node }: ShowOptions): PolicyFile => {
  if (dir !== undefined) {
    const file = join(resolve(dir), configFile);
    const config = readConfig(file);
    return policyFileOf(config, nodeIn(config.node, node), file);
  }
  if (node !== undefined) throw new SetupError("usage", "--node is one of those in a directory: give --dir");
  const network = on ?? (asked === "regtest" ? "regtest" : "bitcoin");
  const preset = asked ?? presetFor(network);
  const policy = presetPolicy(preset, network);
  if (policy === undefined) throw new SetupError("usage", `the preset ${preset} is not for ${network}`);
  return { network, preset, policy };
};

export const showText = (options: ShowOptions): string => printPolicy(chosen(options));

export const rulesText = (rules: readonly RuleText[], json: boolean): string => {
  if (json)
    return JSON.stringify(rules.map(({ name, kind, sentence, tiers }) => ({ name, kind, sentence, tiers })));
  return rules
    .map(({ name, kind, sentence, tiers }) => {
      const seen = Object.entries(tiers).map(([tier, how]) => `${tier}: ${how}`);
      return `${name} (${kind})\n  ${sentence}\n  ${seen.join(", ")}`;
    })
    .join("\n\n");
};

const presetHelp = (): string =>
  `\nPresets:\n${table(presetNames.map((name) => [`  ${name}`, presetSentences[name]]))}`;

export const registerPolicy = (program: Command): void => {
  const policy = program.command("policy").description("limits: check them, show them, explain the rules");
  const network = () => new Option("--network <network>", "the chain").choices(networks);
  policy
    .command("check <file>")
    .description("say what a policy allows, and what is odd in it; a file with a table [policy] in it")
    .addOption(network())
    .option("--json", "print JSON")
    .action((file: string, options: CheckOptions) => print(checkText(file, textIn(file), options)));
  const show = policy
    .command("show")
    .description("print a whole policy, each limit under its sentence: a preset's, or a signer's own")
    .addOption(new Option("--preset <name>", "the preset").choices(presetNames).conflicts("dir"))
    .addOption(network().conflicts("dir"))
    .option("--dir <directory>", "what init made: the policy that holds there");
  withNodeOption(show)
    .addHelpText("after", presetHelp())
    .action((options: ShowOptions) => void process.stdout.write(showText(options)));
  policy
    .command("rules")
    .description("print every rule with its kind and its sentence")
    .option("--json", "print JSON")
    .action(({ json }: { readonly json?: true }) => print(rulesText(allRules, json === true)));
  registerExplain(policy);
};
