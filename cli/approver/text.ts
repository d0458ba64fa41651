/** What an approver reads before they sign. What others wrote stays on one line, and says so. */

import { addressOf } from "../../protocol/bitcoin/address.ts";
import { isWitnessProgram } from "../../protocol/bitcoin/script.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { DeviceLimits, DeviceQuestion } from "../../protocol/device/limits.ts";
import { showFeerate, showMsat } from "../../signer/policy/amounts.ts";
import { plain } from "../json.ts";
import { table } from "../terminal.ts";

const subjects: Readonly<Record<DeviceQuestion["subject"], string>> = {
  payment: "pay",
  outputs: "send on chain",
  opening: "open a channel with our money",
  cover: "give up what covers a payment that is on its way",
  channel: "say that this channel is in the chain",
};

export const timeOf = (seconds: bigint): string =>
  seconds === 0n ? "" : new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");

export const questionText = ({ id, subject, amount, shown, asked }: DeviceQuestion): string =>
  table([
    ["to", subjects[subject]],
    ["in all", showMsat(amount)],
    ...shown.map(({ name, value }) => [plain(name), `"${plain(value)}"`]),
    ...(asked === 0n ? [] : [["asked", timeOf(asked)]]),
    ["id", toHex(id)],
  ]);

const networks = ["bitcoin", "testnet", "regtest"] as const;

/** The networks differ in the address's beginning alone, and which one it is the limits do not say. */
const destination = (hex: string): string => {
  const bytes = fromHex(hex);
  if (!isWitnessProgram(bytes as never)) return `script ${hex}`;
  const [address] = networks.map((network) => addressOf(network, bytes as never));
  return `script ${hex} (on bitcoin ${address})`;
};

/** All of them: what is said to be as before may be said by a signer that lies. */
export const limitsRows = (limits: DeviceLimits): readonly (readonly string[])[] => [
  ["unasked, in all", showMsat(limits.allowance)],
  ["unasked, each", showMsat(limits.each)],
  ["forwards", limits.forwarding ? "yes" : "no"],
  ["fee of a commitment up to", showFeerate(limits.maxFeerate)],
  ["fee of a close up to", showFeerate(limits.maxClosingFeerate)],
  ["fee of what is sent up to", showFeerate(limits.maxOnchainFeerate)],
  ["fee of a sweep up to", showFeerate(limits.maxSweepFeerate)],
  ...(limits.destinations.length === 0 ? [["paid unasked on chain", "nobody"]] : []),
  ...limits.destinations.map((one) => ["paid unasked on chain", destination(toHex(one))]),
  ...(limits.payees.length === 0 ? [["invoices paid unasked", "nobody's"]] : []),
  ...limits.payees.map((one) => ["invoices paid unasked", toHex(one)]),
  ...(limits.approvers.length === 0
    ? [["approvers", "none: the person at the device alone"]]
    : [["approvers that must agree", `${limits.needed} of ${limits.approvers.length}`]]),
  ...limits.approvers.map((one) => ["approver", toHex(one)]),
];
