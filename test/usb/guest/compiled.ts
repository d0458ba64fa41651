/** Loads what the guest will load, so that the engine keeps it compiled (`NODE_COMPILE_CACHE`): emulated, that takes half a minute. */

const tests = ["enumeration", "links", "cables", "devices", "signing", "pulled", "strangers", "command"];
for (const name of tests) await import(`../inside/${name}.ts`);
for (const path of ["../simulator.ts", "../firmware.ts", "../signing-firmware.ts"]) await import(path);
await import("../../scripted/device-sim.ts");
process.exit(0);
