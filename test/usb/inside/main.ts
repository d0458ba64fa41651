/** What runs in the guest: every test, or those whose name has a text in it. */

import { startBus } from "./bus.ts";
import { cablesCases } from "./cables.ts";
import { deviceCases } from "./devices.ts";
import { enumerationCases } from "./enumeration.ts";
import { runCases } from "./harness.ts";
import { linkCases } from "./links.ts";

const only = process.argv[2] ?? "";
const bus = await startBus(["SN0001", "SN0002"]);
const cases = [...enumerationCases(bus), ...linkCases(bus), ...cablesCases(bus), ...deviceCases(bus)];
// The first plugs in, pairs and unlocks what the others use.
const chosen = cases.filter(({ name, isNeeded }) => isNeeded === true || name.includes(only));
process.exit((await runCases(chosen)) ? 0 : 1);
