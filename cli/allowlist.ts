/** `countersign allowlist`: scripts and payees that need no person, beside those of the policy file. */

import type { Command } from "commander";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { Reply, Request } from "../protocol/operations/index.ts";
import { type Point, point, type Script, script } from "../protocol/units.ts";
import { SetupError } from "../signer/setup-error.ts";
import { type AdminOptions, print, withAdmin } from "./admin.ts";
import { toJson } from "./json.ts";
import { withNodeOption } from "./nodes.ts";

interface Given {
  readonly script?: readonly string[];
  readonly payee?: readonly string[];
}

type Change = Omit<Request<"changeAllowlist">, "node">;

const none: Change = { addScripts: [], removeScripts: [], addPayees: [], removePayees: [] };

const asScript = (text: string): Script => {
  if (!/^([0-9a-f]{2}){1,520}$/.test(text))
    throw new SetupError("usage", `--script ${text}: not a script in lower-case hexadecimal`);
  return script(fromHex(text));
};
const asPayee = (text: string): Point => {
  if (!/^0[23][0-9a-f]{64}$/.test(text))
    throw new SetupError("usage", `--payee ${text}: not a node id, 66 lower-case hexadecimal digits`);
  return point(fromHex(text));
};

const text = ({ scripts, payees }: Reply<"changeAllowlist">): string => {
  const lines = [
    ...scripts.map((one) => `script  ${toHex(one)}`),
    ...payees.map((one) => `payee   ${toHex(one)}`),
  ];
  return lines.length === 0 ? "Nothing is allowed beside the policy file." : lines.join("\n");
};

const change = (options: AdminOptions, body: Change): Promise<void> =>
  withAdmin(options, async ({ ask }) => {
    const allowlist = await ask("changeAllowlist", body);
    print(options.json ? toJson(allowlist) : text(allowlist));
  });

const listsOf = ({ script: scripts = [], payee: payees = [] }: Given) => {
  if (scripts.length + payees.length === 0)
    throw new SetupError("usage", "nothing to change: give --script or --payee, each as often as needed");
  return { scripts: scripts.map(asScript), payees: payees.map(asPayee) };
};

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export const registerAllowlist = (program: Command): void => {
  const allowlist = program
    .command("allowlist")
    .description("scripts and payees that need no person, beside those of the policy file");
  const command = (name: string, description: string) =>
    withNodeOption(
      allowlist.command(name).description(description).requiredOption("--dir <directory>", "what init made"),
    ).option("--json", "print JSON");
  const changing = (name: string, description: string) =>
    command(name, description)
      .option("--script <hex>", "a script that our money may go to on chain", collect)
      .option("--payee <node id>", "a node whose invoices are paid, within all limits", collect);
  command("show", "what is allowed").action((options: AdminOptions) => change(options, none));
  changing("add", "allow more; everything here is paid without a person").action(
    async (options: AdminOptions & Given) => {
      const { scripts, payees } = listsOf(options);
      await change(options, { ...none, addScripts: scripts, addPayees: payees });
    },
  );
  changing("remove", "allow less; what the policy file lists stays").action(
    async (options: AdminOptions & Given) => {
      const { scripts, payees } = listsOf(options);
      await change(options, { ...none, removeScripts: scripts, removePayees: payees });
    },
  );
};
