/** Writes what is printed from code; with --check, says what differs and exits 1. */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { printDeviceMessages } from "../protocol/device/markdown.ts";
import { printUdevRules, udevRulesName } from "../protocol/device/udev.ts";
import { printOperations } from "../protocol/operations/markdown.ts";
import { printProto } from "../protocol/operations/proto.ts";
import { printPolicyMarkdown } from "../signer/policy-markdown.ts";
import { printRules } from "../signer/rules-markdown.ts";

const pathOf = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));

const printed: Readonly<Record<string, () => string>> = {
  "protocol/countersign.proto": printProto,
  "docs/device-messages.md": () =>
    printDeviceMessages(readFileSync(pathOf("build/device-messages.md"), "utf8")),
  "docs/operations.md": printOperations,
  "docs/policy.md": printPolicyMarkdown,
  "docs/rules.md": printRules,
  [`share/udev/${udevRulesName}`]: printUdevRules,
};

const current = (name: string): string | undefined => {
  try {
    return readFileSync(pathOf(name), "utf8");
  } catch {
    return undefined;
  }
};

const check = process.argv.includes("--check");
for (const [name, print] of Object.entries(printed)) {
  const text = print();
  if (current(name) === text) continue;
  if (check) {
    process.stderr.write(`${name} is not what the code prints: run \`npm run print\`\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(pathOf(name), text);
    process.stdout.write(`printed ${name}\n`);
  }
}
