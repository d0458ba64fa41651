/** `countersign device limits`: what the device of a running signer lets go without its person, and who may answer for them. */

import { type Command, Option } from "commander";
import { equal, fromHex, toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import { type DeviceLimits, limitsFault } from "../../protocol/device/limits.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import { feerate, type Msat, msat, type NodeId, point, type Script, script } from "../../protocol/units.ts";
import { showMsat } from "../../signer/policy/amounts.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type Admin, type AdminOptions, print, withAdmin } from "../admin.ts";
import { printPaper } from "../approver/papers.ts";
import { limitsRows } from "../approver/text.ts";
import { type Exit, Unable } from "../exit.ts";
import { toJson } from "../json.ts";
import { withNodeOption } from "../nodes.ts";
import { table } from "../terminal.ts";

type Standing = Reply<"deviceStanding">;
type Now = Exclude<Standing["now"], "unknown">;

/** Of a device that can be asked. */
export const standingNow = async (
  ask: Admin["ask"],
): Promise<{ readonly name: string; readonly now: Now }> => {
  const { keys, name, standing, because, now } = await ask("deviceStanding", {});
  if (keys === "sealed")
    throw new Unable("refused", "the keys of this node are in a sealed seed, and on no device");
  if (!isKnown(now))
    throw new Unable(
      "unavailable",
      `the device ${name} is ${standing}${because === "" ? "" : `: ${because}`}`,
    );
  return { name, now };
};

export const exitOfResult = (result: Reply<"deviceLimits">["result"]): Exit => {
  switch (result) {
    case "done":
      return "ok";
    case "away":
    case "busy":
      return "unavailable";
    case "none":
    case "denied":
    case "unknown":
    case "unsigned":
      return "refused";
  }
};

/** Ends the command where it is not done. */
const checkResult = ({ result, because }: Reply<"deviceLimits">): void => {
  const exit = exitOfResult(result);
  if (exit !== "ok") throw new Unable(exit, because);
};

const text = ({ limits, left }: Pick<Now, "limits" | "left">): string =>
  table([
    ...limitsRows(limits).slice(0, 1),
    ["  of it left", showMsat(left)],
    ...limitsRows(limits).slice(1),
  ]);

const show = (options: AdminOptions): Promise<void> =>
  withAdmin(options, async ({ ask }) => {
    const { name, now } = await standingNow(ask);
    const { limits, left } = now;
    print(options.json ? toJson({ device: name, limits, left }) : text(now));
  });

interface Changes {
  readonly allowance?: Msat;
  readonly each?: Msat;
  readonly forwarding?: "yes" | "no";
  readonly maxFeerate?: number;
  readonly maxClosingFeerate?: number;
  readonly maxOnchainFeerate?: number;
  readonly maxSweepFeerate?: number;
  readonly needed?: number;
  readonly approver?: readonly Uint8Array[];
  readonly removeApprover?: readonly Uint8Array[];
  readonly destination?: readonly Script[];
  readonly removeDestination?: readonly Script[];
  readonly payee?: readonly NodeId[];
  readonly removePayee?: readonly NodeId[];
}

type Options = AdminOptions & Changes;

const usage = (message: string): SetupError => new SetupError("usage", message);

const listed = <T extends Uint8Array>(
  what: string,
  now: readonly T[],
  added: readonly T[] = [],
  removed: readonly T[] = [],
): readonly T[] => {
  const without = (all: readonly T[], others: readonly T[]) =>
    all.filter((one) => !others.some((other) => equal(one, other)));
  for (const one of removed)
    if (without([one], now).length > 0) throw usage(`the device has no ${what} ${toHex(one)}`);
  const result = [...without(now, removed), ...without(added, now)];
  if (result.length > 8) throw usage(`${result.length} of them, where a device keeps 8: ${what}s`);
  return result;
};

/** All who are known, where nobody says how many: one that is added must not weaken the others. */
const neededOf = (
  approvers: readonly Uint8Array[],
  before: DeviceLimits,
  given: number | undefined,
): number => {
  if (given !== undefined) return given;
  if (approvers.length === 0) return 0;
  if (before.approvers.length === 0) return approvers.length;
  return Math.min(Math.max(before.needed, 1), approvers.length);
};

const changes = [
  ...["allowance", "each", "forwarding", "maxFeerate", "maxClosingFeerate", "maxOnchainFeerate"],
  ...["maxSweepFeerate", "needed", "approver", "removeApprover", "destination", "removeDestination"],
  ...["payee", "removePayee"],
] as const;

/** Setting them anew fills the allowance again, which nobody should do by a slip. */
export const checkChange = (options: Changes): void => {
  if (changes.every((name) => options[name as keyof Changes] === undefined))
    throw usage("say what is to change: --help lists it. To fill the allowance again, name it: --allowance");
};

export const changed = (before: DeviceLimits, options: Changes): DeviceLimits => {
  const approvers = listed("approver", before.approvers, options.approver, options.removeApprover);
  const limits: DeviceLimits = {
    each: options.each ?? before.each,
    allowance: options.allowance ?? before.allowance,
    forwarding: options.forwarding === undefined ? before.forwarding : options.forwarding === "yes",
    maxFeerate: feerate(options.maxFeerate ?? before.maxFeerate),
    maxClosingFeerate: feerate(options.maxClosingFeerate ?? before.maxClosingFeerate),
    maxOnchainFeerate: feerate(options.maxOnchainFeerate ?? before.maxOnchainFeerate),
    maxSweepFeerate: feerate(options.maxSweepFeerate ?? before.maxSweepFeerate),
    destinations: listed("destination", before.destinations, options.destination, options.removeDestination),
    payees: listed("payee", before.payees, options.payee, options.removePayee),
    approvers,
    needed: neededOf(approvers, before, options.needed),
  };
  const fault = limitsFault(limits);
  if (fault !== undefined) throw usage(fault);
  return limits;
};

const set = async (options: Options): Promise<void> => {
  checkChange(options);
  await withAdmin(options, async ({ ask }) => {
    const { name, now } = await standingNow(ask);
    const limits = changed(now.limits, options);
    process.stderr.write(`On the device ${name}: read the limits, and hold both buttons to set them.\n`);
    checkResult(await ask("deviceLimits", { limits, signatures: [] }));
    print(options.json ? toJson({ device: name, limits }) : `Set. The allowance begins anew.`);
  });
};

const propose = async (options: Options): Promise<void> => {
  checkChange(options);
  await withAdmin(options, async ({ ask, node }) => {
    const { now } = await standingNow(ask);
    if (now.limits.approvers.length === 0)
      throw new Unable("refused", "the device knows no approvers yet: its person sets the first");
    print(
      printPaper({ schema: 1, is: "limits", node, mark: now.mark, limits: changed(now.limits, options) }),
    );
  });
};

const satoshi =
  (name: string) =>
  (value: string): Msat => {
    if (!/^(0|[1-9]\d{0,15})$/.test(value) || BigInt(value) > 2_100_000_000_000_000n)
      throw usage(`${name} ${value}: not a number of satoshi`);
    return msat(BigInt(value) * 1000n);
  };
const perWeight =
  (name: string) =>
  (value: string): number => {
    const n = Number(value);
    if (!/^\d{1,7}$/.test(value) || n < 253 || n > 1_000_000)
      throw usage(`${name} ${value}: sat per 1000 weight, from 253 to 1000000`);
    return n;
  };
const hexes =
  <T>(name: string, form: RegExp, what: string, make: (bytes: Uint8Array) => T) =>
  (value: string, before: readonly T[] = []): readonly T[] => {
    if (!form.test(value)) throw usage(`${name} ${value}: not ${what} in lower-case hexadecimal`);
    return [...before, make(fromHex(value))];
  };
const keys = (name: string) => hexes(name, /^[0-9a-f]{64}$/, "an approver's key", (bytes) => bytes);
const nodes = (name: string) => hexes(name, /^0[23][0-9a-f]{64}$/, "a node id", point);
const scripts = (name: string) => hexes(name, /^([0-9a-f]{2}){1,42}$/, "a script", script);

export const approverKeys = keys("--approver");

export const neededCount = (value: string): number => {
  if (!/^[0-8]$/.test(value)) throw usage(`--needed ${value}: from 0 to 8`);
  return Number(value);
};

const withChanges = (command: Command): Command =>
  command
    .option(
      "--allowance <sat>",
      "leaves without a word in all, until it is set again",
      satoshi("--allowance"),
    )
    .option(
      "--each <sat>",
      "the most of it that one payment takes with the fee that it may cost, or one opening without its transaction's",
      satoshi("--each"),
    )
    .addOption(new Option("--forwarding <yes|no>", "whether payments of others pass").choices(["yes", "no"]))
    .option("--max-feerate <sat/kw>", "of commitments", perWeight("--max-feerate"))
    .option("--max-closing-feerate <sat/kw>", "of mutual closes", perWeight("--max-closing-feerate"))
    .option("--max-onchain-feerate <sat/kw>", "of what is sent", perWeight("--max-onchain-feerate"))
    .option("--max-sweep-feerate <sat/kw>", "of what comes home", perWeight("--max-sweep-feerate"))
    .option("--approver <key>", "who may answer in the person's place (`approver new`)", approverKeys)
    .option("--remove-approver <key>", "who may not any more", keys("--remove-approver"))
    .option("--needed <count>", "how many approvers must agree", neededCount)
    .option("--destination <script>", "where money may go on chain without a word", scripts("--destination"))
    .option("--remove-destination <script>", "where not any more", scripts("--remove-destination"))
    .option("--payee <node id>", "whose signed invoices are paid without a word", nodes("--payee"))
    .option("--remove-payee <node id>", "whose not any more", nodes("--remove-payee"));

export const registerLimits = (device: Command): void => {
  const limits = device
    .command("limits")
    .description(
      "what the device of a running signer lets go without its person, and who may answer for them",
    );
  const command = (name: string, description: string): Command =>
    withNodeOption(
      limits.command(name).description(description).requiredOption("--dir <directory>", "what init made"),
    );
  command("show", "as they are, and what is left of the allowance")
    .option("--json", "print JSON")
    .action(show);
  withChanges(command("set", "change them; the person at the device reads and agrees"))
    .option("--json", "print JSON")
    .action(set);
  withChanges(
    command("propose", "print the change for the approvers to sign, instead of asking at the device"),
  ).action(propose);
};
