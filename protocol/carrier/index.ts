import type { Carrier } from "../frame.ts";
import { bulkCarrier } from "./bulk.ts";
import { hidCarrier } from "./hid.ts";
import { serialCarrier } from "./serial.ts";

export const carriers: Readonly<Record<Carrier["name"], Carrier>> = {
  serial: serialCarrier,
  hid: hidCarrier,
  bulk: bulkCarrier,
};
