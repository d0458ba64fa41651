/** The same case with the real core in it: as `countersign device sim` has it. */

import { coreBehind } from "../../firmware-sim/core.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { firmwareWith } from "./firmware.ts";

const curve = await openCurve("native");

export const openFirmware = firmwareWith(
  coreBehind({
    curve,
    keyringOf: (root) => softwareKeyring({ ...root, curve, style: "native" }),
    software: "countersign test device",
  }),
);
