/** Opens and closes a device at once, some times: KIND SERIAL-NUMBER. */

import { kinds, openSoon } from "./bus.ts";

const [, , name, serialNumber = ""] = process.argv;
const kind = kinds.find((one) => one === name);
if (kind === undefined) throw new RangeError(`none of ${kinds.join(", ")}: ${name}`);
for (let i = 0; i < 10; i++) {
  const { transport } = await openSoon(kind, { serialNumber });
  await transport.close();
}
process.exit(0);
