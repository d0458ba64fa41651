/** Red-team 13 and 2: sums over a payment hash hold on the device itself, over all channels and after each power cut. */

import { onDevices } from "../scripted/on-devices.ts";

// Signatures are verified there as everywhere; the thieves only spare themselves the time.
onDevices({ ignored: ["verify"] });
// A quarter of a minute: only where all of the hostile tests run.
const whole = process.env["COUNTERSIGN_REDTEAM"] === "whole" ? ["heist"] : [];
for (const name of ["forwarding", "unfunded", ...whole]) await import(`./${name}.test.ts`);
