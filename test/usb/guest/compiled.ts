/** Loads what the guest will load, so that the engine keeps it compiled: an emulated machine takes half a minute for that. */

const parts = ["enumeration", "links", "cables", "devices", "signing", "pulled", "strangers", "command"];
for (const part of parts) await import(`../inside/${part}.ts`);
await import("../simulator.ts");
await import("../signing-firmware.ts");
await import("../../../cli/device/command.ts");
await import("../../../cli/device/sim.ts");
process.exit(0);
