/** docs/policy.md, printed from the limits themselves. */

import { type Figure, sections } from "./core/policy/figures.ts";
import { type PresetName, presetNames, presetPolicy, presetSentences } from "./core/policy/presets.ts";
import { type Policy, smallFee } from "./core/policy.ts";
import { grouped, showMsat } from "./policy/amounts.ts";

const units: Readonly<Record<Figure<unknown>["unit"], string>> = {
  sat: "sat",
  msat: "msat",
  feerate: "sat/kw",
  blocks: "blocks",
  seconds: "seconds",
  count: "a number",
  ppm: "millionths",
  switch: "true or false",
  scripts: "scripts",
  nodes: "node ids",
};

const cell = (value: Policy[keyof Policy]): string => {
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "object") return grouped(value);
  return value.length === 0 ? "none" : String(value.length);
};

/** On bitcoin, and the one that is not for bitcoin on its own network. */
const policyOf = (preset: PresetName): Policy | undefined =>
  presetPolicy(preset, preset === "regtest" ? "regtest" : "bitcoin");

export const printPolicyMarkdown = (): string => {
  const policies = presetNames.flatMap((preset) => policyOf(preset) ?? []);
  const tables = Object.entries(sections).flatMap(([title, section]) => [
    `## ${title}`,
    "",
    `| limit | in | what it says | ${presetNames.join(" | ")} |`,
    `|---|---|---|${"---:|".repeat(presetNames.length)}`,
    ...(Object.entries(section) as readonly [keyof Policy, Figure<unknown>][]).map(
      ([name, { unit, sentence }]) =>
        `| \`${name}\` | ${units[unit]} | ${sentence} | ${policies.map((policy) => cell(policy[name])).join(" | ")} |`,
    ),
    "",
  ]);
  return [
    "# The policy",
    "",
    "Printed from the code by `npm run print`. The limits stand in the table `[policy]` of `countersign.toml`:",
    "",
    "```toml",
    "[policy]",
    'preset = "merchant"',
    "maxChannels = 20",
    "maxChannelValue = 20_000_000",
    "```",
    "",
    "What is left out is the preset's; without a preset it is `mainnet-default` on bitcoin and `regtest` elsewhere. An unknown",
    "key is an error. Amounts are whole numbers; amounts of channels and of the chain are in satoshi, those of payments and",
    "HTLCs in millisatoshi. Core rules have no limit here: no policy turns them off, and none lets them warn only.",
    "",
    "- `countersign policy show --preset merchant` prints a whole policy, each limit under its sentence; `--dir D` the one of D.",
    "- `countersign policy check FILE` says in plain sentences what FILE allows, and warns of what is hardly meant. FILE is a",
    "  `countersign.toml`, or holds the table `[policy]` alone; then `--network` says for which network, if not for bitcoin.",
    "- `countersign policy rules` prints every rule, and what a host of each tier lets it see.",
    "- In a signer with several nodes a table `[node.policy]` under one of the `[[node]]` stands in the place of `[policy]` for that",
    "  node, and takes nothing over from it; `policy show --dir D --node NODE` prints what holds there.",
    "",
    "## Presets",
    "",
    ...presetNames.map((preset) => `- **${preset}**: ${presetSentences[preset]}`),
    "",
    "Off bitcoin every preset has `minDelay` and `minForwardDelta` 6, as Core Lightning has there. `forwarding = false` gives no",
    "cover to what a host forwards all the same, so set the host not to forward.",
    "",
    "## Fee limits of payments",
    "",
    "The fee limit of a payment is at most `maxRoutingFee`, and at most the larger of two: " +
      `${showMsat(smallFee)}, and \`maxRoutingFeePpm\` millionths of the amount.`,
    "",
    ...tables,
  ].join("\n");
};
