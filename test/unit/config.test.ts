import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  type Config,
  needsSeed,
  networks,
  parseAddress,
  parseConfig,
  pathsOf,
  policyOf,
  printAddress,
  printConfig,
  readConfig,
  tiers,
} from "../../signer/config.ts";
import { nearest } from "../../signer/nearest.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { checkTable } from "../../signer/toml.ts";

const id = `02${"ab".repeat(32)}`;
const least = `schema = 1\nnetwork = "regtest"\ntier = "full"\n[[node]]\nindex = 0\nid = "${id}"\n`;
const other = `03${"cd".repeat(32)}`;
const third = `02${"ef".repeat(32)}`;

const errorOf = (action: () => unknown): SetupError => {
  try {
    action();
  } catch (error) {
    if (error instanceof SetupError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("the configuration", () => {
  test("has a safe default for whatever may be left out", () => {
    expect(parseConfig(least, "c.toml")).toEqual({
      schema: 1,
      network: "regtest",
      tier: "full",
      listen: "127.0.0.1:7601",
      seed: "seed.age",
      store: "store.sqlite",
      certificates: "certificates",
      admin: "admin.sock",
      curve: "native",
      threads: 0,
      log: "info",
      dumps: "refuse",
      node: [{ index: 0, id }],
    } satisfies Config);
  });

  test("keeps the policy as it stands", () => {
    const text = `${least}[policy]\nfunding_max = 100_000\n[policy.velocity]\nwindow = "1d"\n`;
    expect(parseConfig(text, "c.toml").policy).toEqual({ funding_max: 100_000, velocity: { window: "1d" } });
  });

  test("is printed with a sentence above each key, and read back as the same", () => {
    const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
    const configs = fc.record({
      schema: fc.constant(1 as const),
      network: fc.constantFrom(...networks),
      tier: fc.constantFrom(...tiers),
      listen: fc.constantFrom("127.0.0.1:0", "[::1]:7601", "signer.example:65535"),
      seed: word,
      store: word,
      certificates: word,
      admin: word,
      curve: fc.constantFrom("native" as const, "noble" as const),
      threads: fc.nat(64),
      log: fc.constantFrom("debug" as const, "info" as const, "warn" as const, "error" as const),
      dumps: fc.constantFrom("refuse" as const, "warn" as const),
      node: fc
        .subarray(
          [
            { index: 2 ** 30 - 1, id },
            { index: 0, id: other, policy: { preset: "merchant", velocity: { window: "1d" } } },
            { index: 0, id: third, device: "desk", passphrase: true },
          ],
          { minLength: 1 },
        )
        .chain((nodes) => fc.shuffledSubarray(nodes, { minLength: nodes.length })),
    });
    fc.assert(
      fc.property(configs, fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), word), (config, policy) => {
        for (const full of [config, { ...config, policy }]) {
          const text = printConfig(full);
          expect(parseConfig(text, "c.toml")).toEqual(full);
          const lines = text.split("\n");
          // A policy has names that nobody here knows.
          let table = "";
          for (const [at, line] of lines.entries()) {
            if (line.startsWith("[")) table = line;
            if (/^[a-z]+ = /.test(line) && !table.includes("policy"))
              expect(lines[at - 1]).toMatch(/^# [a-z0-9].*\.$/i);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ["lisen = 1\n", "lisen: unknown key; did you mean `listen`?"],
    ["Network = 1\n", "Network: unknown key; did you mean `network`?"],
    ['dumps = "maybe"\n', "dumps: "],
    ['listen = "7601"\n', "listen: not an address: host:port"],
    ['curve = "openssl"\n', "curve: "],
    ['seed = ""\n', "seed: an empty path"],
  ])("%j is told by its key", (line, told) => {
    const error = errorOf(() => parseConfig(line + least, "/etc/countersign.toml"));
    expect(error.problem).toBe("invalid");
    expect(error.message).toContain("/etc/countersign.toml is not valid:\n  ");
    expect(error.message).toContain(told);
  });

  test("tells everything that is wrong at once, in tables too", () => {
    const text = 'schema = 2\nnetwork = "mainnet"\nteir = "full"\n[[node]]\nindx = 0\nid = "ff"\n';
    const { message } = errorOf(() => parseConfig(text, "c.toml"));
    for (const told of [
      "schema: ",
      "network: ",
      "tier: ",
      "teir: unknown key; did you mean `tier`?",
      "node[0].index: ",
      "node[0].indx: unknown key; did you mean `index`?",
      "node[0].id: not a node id",
    ])
      expect(message).toContain(`\n  ${told}`);
  });

  test.each(["schema = \n", `${least}index = 1\n`, `[__proto__]\na = 1\n${least}`])(
    "%j is not TOML, and said to be none",
    (text) => {
      const error = errorOf(() => parseConfig(text, "c.toml"));
      expect(error.problem).toBe("invalid");
      expect(error.message).toMatch(/^c\.toml is not TOML: /);
    },
  );

  test("names several nodes, each with keys of its own place and, where it says so, a policy of its own", () => {
    const text = `${least}[[node]]\nindex = 1\nid = "${other}"\n[node.policy]\nmaxChannels = 2
[[node]]\nindex = 0\nid = "${third}"\ndevice = "desk"\n[policy]\nmaxChannels = 3\n`;
    const config = parseConfig(text, "c.toml");
    expect(config.node).toEqual([
      { index: 0, id },
      { index: 1, id: other, policy: { maxChannels: 2 } },
      { index: 0, id: third, device: "desk" },
    ]);
    const policies = config.node.map((one) => policyOf(config, one, "c.toml"));
    expect(policies.map(({ maxChannels }) => maxChannels)).toEqual([3, 2, 3]);
    expect(needsSeed(config)).toBe(true);
    const [, , onDevice] = config.node;
    const alone = { ...config, node: onDevice === undefined ? [] : [onDevice] };
    expect(needsSeed(alone)).toBe(false);
    // What nothing is kept in is not named, unless somebody did.
    expect(printConfig(alone)).not.toContain("seed = ");
    expect(printConfig({ ...alone, seed: "elsewhere.age" })).toContain('seed = "elsewhere.age"');
  });

  test("a mistake in the policy of one node is told with the node", () => {
    const config = parseConfig(`${least}[node.policy]\nmaxChanels = 2\n`, "c.toml");
    const [node = { id: "", index: 0 }] = config.node;
    expect(errorOf(() => policyOf(config, node, "c.toml")).message).toBe(
      "c.toml, [node.policy] of node[0] is not valid:\n  maxChanels: unknown key; did you mean `maxChannels`?",
    );
  });

  const nodeWith = (more: string): string => `[[node]]\nindex = 1\nid = "${other}"\n${more}`;
  test.each([
    [least.replace("[[node]]", "[node]"), "node: there may be several: write [[node]], with double brackets"],
    [
      `${least}[device]\nname = "desk"\n`,
      'device: each node says its own: write device = "name" under [[node]]',
    ],
    [least.replace(/\[\[.*/s, ""), "node: missing: a table [[node]] for each node"],
    [`node = []\n${least.replace(/\[\[.*/s, "")}`, "node: missing: a table [[node]] for each node"],
    [`${least}${nodeWith("").replace(other, id)}`, "node[1].id: another node has this id"],
    [
      `${least}${nodeWith("").replace("1", "0")}`,
      "node[1].index: another node of the sealed seed has this index",
    ],
    [
      `${least}device = "a"\n${nodeWith('device = "a"\n')}`,
      "node[1].device: another node has its keys on this device, which keeps one node",
    ],
    [`${least}passphrase = true\n`, "node[0].passphrase: is asked for by a device, and this node has none"],
  ])("%j is refused in words", (text, told) => {
    expect(errorOf(() => parseConfig(text, "c.toml")).message).toBe(`c.toml is not valid:\n  ${told}`);
  });

  test("two devices may both keep their first node, beside the seed's, and 32 nodes are the most", () => {
    const node = (n: number) =>
      `[[node]]\nindex = ${n < 3 ? 0 : n}\nid = "02${String(n).padStart(64, "0")}"\n`;
    const onDevices = (n: number) => (n === 1 || n === 2 ? `${node(n)}device = "d${n}"\n` : node(n));
    const many = (count: number) =>
      least.replace(/\[\[.*/s, Array.from({ length: count }, (_, n) => onDevices(n)).join(""));
    expect(parseConfig(many(32), "c.toml").node).toHaveLength(32);
    expect(errorOf(() => parseConfig(many(33), "c.toml")).message).toContain("node: 32 nodes at most");
  });

  test("its paths are relative to the file", () => {
    const config = parseConfig(`seed = "/mnt/key/seed.age"\nstore = "../s.sqlite"\n${least}`, "c.toml");
    expect(pathsOf(config, "/srv/signer/countersign.toml")).toEqual({
      seed: "/mnt/key/seed.age",
      admin: "/srv/signer/admin.sock",
      store: "/srv/s.sqlite",
      certificates: "/srv/signer/certificates",
    });
  });

  describe("on disk", () => {
    let home = "";
    beforeAll(() => {
      home = mkdtempSync(join(tmpdir(), "countersign-config-"));
    });
    afterAll(() => rmSync(home, { recursive: true, force: true }));

    test("is refused where others may change it", () => {
      const file = join(home, "c.toml");
      writeFileSync(file, least, { mode: 0o600 });
      expect(readConfig(file).network).toBe("regtest");
      chmodSync(file, 0o660);
      expect(errorOf(() => readConfig(file)).problem).toBe("permissions");
    });
  });
});

test.each([
  ["127.0.0.1:7601", { host: "127.0.0.1", port: 7601 }],
  ["[::1]:0", { host: "::1", port: 0 }],
  ["signer.example:65535", { host: "signer.example", port: 65_535 }],
])("%s is an address, and printed as it was", (text, address) => {
  expect(parseAddress(text)).toEqual(address);
  expect(printAddress(address)).toBe(text);
});

test.each(["", "host", "host:", ":1", "host:65536", "::1:7601", "[::1]", "a b:1", "host:-1", "host:1 "])(
  "%j is no address",
  (text) => expect(parseAddress(text)).toBeUndefined(),
);

test("the nearest word is the one with the fewest changes", () => {
  expect(nearest("netwrk", ["node", "network", "tier"])).toBe("network");
  expect(nearest("kitten", ["sitting", "kit", "mitten"])).toBe("mitten");
  expect(nearest("x", [])).toBeUndefined();
});

test("keys inside optional tables are known too", () => {
  const schema = z.strictObject({ limits: z.strictObject({ max: z.int().default(1) }).optional() });
  const { message } = errorOf(() => checkTable(schema, { limits: { mx: 1 } }, "policy"));
  expect(message).toBe("policy is not valid:\n  limits.mx: unknown key; did you mean `max`?");
});
