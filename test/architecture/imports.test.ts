import { describe, expect, test } from "vitest";
import { parse, type Source, sources } from "./sources.ts";

/** Zones from the most specific folder to the least; a file belongs to the first that fits. */
const zones = [
  "protocol/wire",
  "protocol",
  "chain",
  "signer/core",
  "signer",
  "firmware-sim",
  "host",
  "appliance",
  "cli",
  "test",
  "bench",
  "build",
  "examples",
] as const;
type Zone = (typeof zones)[number];

/** Who may import whom; every zone may import itself. */
const allowed: Readonly<Record<Zone, readonly Zone[]>> = {
  protocol: [],
  "protocol/wire": ["protocol"],
  chain: ["protocol"],
  "signer/core": ["protocol"],
  signer: ["signer/core", "chain", "protocol/wire", "protocol"],
  "firmware-sim": ["signer/core", "protocol/wire", "protocol"],
  host: ["chain", "protocol/wire", "protocol"],
  appliance: ["host", "signer", "signer/core", "chain", "protocol/wire", "protocol"],
  build: ["protocol", "signer", "signer/core"],
  cli: [...zones],
  examples: [...zones],
  test: [...zones],
  bench: [...zones],
};

/** Native code, and what reaches outside, is imported in these files alone. */
const confined: Readonly<Record<string, readonly string[]>> = {
  "secp256k1/bindings.js": ["protocol/curve/native.ts"],
  "@grpc/grpc-js": ["protocol/wire/"],
  serialport: ["protocol/wire/links/"],
  "node-hid": ["protocol/wire/links/"],
  usb: ["protocol/wire/links/"],
  lightningdevkit: ["host/ldk/", "test/"],
  "lightningdevkit/bindings.mjs": ["host/ldk/library.ts"],
  "bitcore-lib": ["chain/embedded/"],
  "node:sqlite": ["signer/store/", "host/", "test/"],
  "@noble/secp256k1": ["protocol/curve/noble.ts", "test/"],
};

/** What may be missing on a machine is loaded when it is needed, and here alone. */
const loadsLate: Readonly<Record<string, readonly string[]>> = {
  "protocol/curve/native.ts": ["secp256k1/bindings.js"],
  "protocol/wire/links/libraries.ts": ["serialport", "node-hid", "usb"],
};
const isLate = (path: string, what: string): boolean =>
  loadsLate[path]?.includes(what.trim().replaceAll('"', "")) ?? false;

/** No clock, no IO, no randomness in the pure parts. */
const pure: readonly Zone[] = ["signer/core", "protocol"];
const effects =
  /^node:(fs|net|http|child_process|worker_threads|os|timers|dgram|tls|process)|^@grpc|^pino$|^node:sqlite$/;
const ambient =
  /\b(Date\.now|new Date\(\)|Math\.random|process\.|setTimeout|setInterval|performance\.now|fetch\()/;

const zoneOf = (path: string): Zone | undefined => zones.find((zone) => path.startsWith(`${zone}/`));
const within = (path: string, places: readonly string[]): boolean =>
  places.some((p) => path === p || path.startsWith(p));

const violations = (
  all: readonly Source[],
): { readonly edges: number; readonly found: readonly string[] } => {
  let edges = 0;
  const found: string[] = [];
  for (const { path, text, imports, dynamic } of all) {
    const from = zoneOf(path);
    if (from === undefined) continue;
    for (const to of imports) {
      const zone = zoneOf(to);
      if (zone !== undefined) {
        edges++;
        if (zone !== from && !allowed[from].includes(zone)) found.push(`${path} imports ${to}`);
      }
      const places = confined[to];
      if (places !== undefined && !within(path, places)) found.push(`${path} imports ${to}`);
      if (pure.includes(from) && effects.test(to)) found.push(`${path} imports ${to}`);
    }
    if (pure.includes(from) && path !== "protocol/curve/native.ts" && ambient.test(text))
      found.push(`${path} reaches outside: ${ambient.exec(text)?.[0]}`);
    // A command of the CLI may load its own folder late, so that it is not there beside a signer's keys.
    const late = dynamic.filter(
      (what) => !isLate(path, what) && (from !== "cli" || !/^"\.\/[a-z-]+\.ts"$/.test(what.trim())),
    );
    if (late.length > 0 && from !== "test") found.push(`${path} imports dynamically: ${late.join(", ")}`);
    if (
      !path.startsWith("test/architecture/") &&
      /\bas (unknown as )?Durable\b/.test(text) &&
      !["signer/core/commit.ts", "test/durable.ts"].includes(path)
    )
      found.push(`${path} makes a Durable`);
  }
  return { edges, found };
};

describe("who may import whom", () => {
  test("holds in every file", () => {
    const { edges, found } = violations(sources());
    expect(found).toEqual([]);
    // So that a parser that sees nothing can't pass.
    expect(edges).toBeGreaterThan(100);
  });

  test.each([
    ["signer/core/a.ts", 'import { x } from "../../protocol/wire/server.ts";'],
    ["host/a.ts", 'import type { x } from "../signer/config.ts";'],
    ["host/a.ts", 'export { x } from "../signer/config.ts";'],
    ["protocol/a.ts", 'import { x } from "./wire/client.ts";'],
    ["signer/a.ts", 'import x from "@grpc/grpc-js";'],
    ["signer/core/a.ts", 'import { readFileSync } from "node:fs";'],
    ["signer/core/a.ts", "const t = Date.now();"],
    ["signer/session.ts", "const d = job as Durable<Job>;"],
    ["host/a.ts", 'const m = await import("../signer/config.ts");'],
    ["cli/a.ts", 'import {\n  a,\n  b,\n} from "secp256k1/bindings.js";'],
    ["cli/a.ts", "const m = await import(name);"],
    ["cli/a.ts", 'const m = await import("lightningdevkit");'],
    ["cli/a.ts", 'const m = await import("usb");'],
    ["protocol/wire/server.ts", 'import type { SerialPort } from "serialport";'],
    ["protocol/wire/links/serial.ts", 'const m = await import("serialport");'],
    ["protocol/wire/links/libraries.ts", 'const m = await import("lightningdevkit");'],
  ])("a planted violation is found: %s %s", (path, text) => {
    expect(violations([parse(path, text)]).found).toHaveLength(1);
  });

  test.each([
    ["signer/core/a.ts", 'import { x } from "../../protocol/units.ts";'],
    ["host/a.ts", '// import { x } from "../signer/config.ts"'],
    ["protocol/wire/a.ts", 'import x from "@grpc/grpc-js";'],
    ["signer/core/commit.ts", "const d = job as Durable<Job>;"],
    ["cli/demo/a.ts", 'const m = await import("./demo.ts");'],
    ["protocol/wire/links/libraries.ts", 'const m = await import("serialport");'],
    ["protocol/wire/links/serial.ts", 'import type { SerialPort } from "serialport";'],
  ])("an honest import passes: %s %s", (path, text) => {
    expect(violations([parse(path, text)]).found).toEqual([]);
  });
});

describe("what stands beside a signer's keys", () => {
  test("is neither LDK nor the interpreter of the embedded chain", () => {
    const byPath = new Map(sources().map((source) => [source.path, source]));
    const loaded = new Set(["cli/main.ts"]);
    for (const path of loaded) for (const next of byPath.get(path)?.loads ?? []) loaded.add(next);
    expect(loaded.has("signer/server/start.ts")).toBe(true);
    expect(
      [...loaded].filter((name) => /^(lightningdevkit|bitcore-lib|host\/ldk\/|chain\/embedded\/)/.test(name)),
    ).toEqual([]);
  });
});

describe("files stay small", () => {
  test("none is over 400 lines", () => {
    const long = sources()
      .filter(({ path }) => !path.startsWith("test/"))
      .filter(({ text }) => text.split("\n").length > 400)
      .map(({ path }) => path);
    expect(long).toEqual([]);
  });

  test("no folder is named utils", () => {
    expect(sources().filter(({ path }) => /(^|\/)utils?(\/|\.ts$)/.test(path))).toEqual([]);
  });
});
