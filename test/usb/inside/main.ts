/** What runs in the guest: every test, or those whose name has a text in it. */

import { join } from "node:path";
import { type Bus, startBus } from "./bus.ts";
import { cablesCases } from "./cables.ts";
import { commandCases } from "./command.ts";
import { deviceCases } from "./devices.ts";
import { enumerationCases } from "./enumeration.ts";
import { runCases } from "./harness.ts";
import { linkCases } from "./links.ts";
import { pulledCases } from "./pulled.ts";
import { ownersOn, signingCases } from "./signing.ts";
import { strangersCases } from "./strangers.ts";

const only = process.argv[2] ?? "";
const bus = await startBus(["SN0001", "SN0002"]);
let signing: Promise<Bus> | undefined;
const signingBus = (): Promise<Bus> => {
  signing ??= startBus(["SN0003", "SN0004"], join(import.meta.dirname, "../signing-firmware.ts"));
  return signing;
};
const owners = ownersOn(signingBus);
const withCore = [
  ...signingCases(owners),
  ...pulledCases(owners),
  ...strangersCases(owners),
  ...commandCases(),
];
const cases = [
  ...enumerationCases(bus),
  ...linkCases(bus),
  ...cablesCases(bus),
  ...deviceCases(bus),
  ...withCore,
];
// The first plugs in, pairs and unlocks what the others use.
const chosen = cases.filter(({ name, isNeeded }) => isNeeded === true || name.includes(only));
// It takes its time to load, which the others need not wait for.
if (withCore.some((one) => chosen.includes(one))) void signingBus();
process.exit((await runCases(chosen)) ? 0 : 1);
