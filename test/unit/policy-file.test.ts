import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { networks } from "../../signer/config.ts";
import { type Figure, figures } from "../../signer/core/policy/figures.ts";
import { presetNames, presetPolicy } from "../../signer/core/policy/presets.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import { parsePolicyFile, printPolicy } from "../../signer/policy/file.ts";
import { SetupError } from "../../signer/setup-error.ts";

const errorOf = (action: () => unknown): SetupError => {
  try {
    action();
  } catch (error) {
    if (error instanceof SetupError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

const read = (text: string, network?: (typeof networks)[number]) => parsePolicyFile(text, "p.toml", network);

const pairs = presetNames.flatMap((preset) =>
  networks.flatMap((network) => {
    const policy = presetPolicy(preset, network);
    return policy === undefined ? [] : [{ preset, network, policy }];
  }),
);

const config = (network: string): string =>
  `schema = 1\nnetwork = "${network}"\ntier = "full"\n[[node]]\nindex = 0\nid = "02${"ab".repeat(32)}"\n`;

describe("a printed policy", () => {
  test.each(pairs)("$preset on $network reads back as the same, in either kind of file", (file) => {
    const text = printPolicy(file);
    expect(read(text, file.network)).toEqual(file);
    expect(read(`${config(file.network)}${text}`)).toEqual(file);
  });

  const bytes = (length: { minLength: number; maxLength: number }) => fc.uint8Array(length);
  const arbitraryOf = ({ unit, schema }: Figure<unknown>): fc.Arbitrary<unknown> => {
    const raw = {
      sat: fc.bigInt({ min: 354n, max: 2_100_000_000_000_000n }),
      // TOML's integers have 64 bits, and its reader takes those that a number holds exactly.
      msat: fc.bigInt({ min: 0n, max: BigInt(Number.MAX_SAFE_INTEGER) }),
      feerate: fc.integer({ min: 253, max: 1_000_000 }),
      blocks: fc.integer({ min: 1, max: 2016 }),
      seconds: fc.integer({ min: 600, max: 604_800 }),
      count: fc.integer({ min: 1, max: 483 }),
      ppm: fc.integer({ min: 0, max: 1_000_000 }),
      switch: fc.boolean(),
      scripts: fc.array(bytes({ minLength: 1, maxLength: 520 }).map(toHex), { maxLength: 3 }),
      nodes: fc.array(
        bytes({ minLength: 32, maxLength: 32 }).map((x) => `03${toHex(x)}`),
        { maxLength: 3 },
      ),
    }[unit];
    return (raw as fc.Arbitrary<unknown>).map((value) => schema.parse(value));
  };
  const policies = fc.record(
    Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, arbitraryOf(figure)])),
    { noNullPrototype: true },
  ) as unknown as fc.Arbitrary<Policy>;

  test("reads back as the same, whatever its limits are", () => {
    fc.assert(
      fc.property(policies, fc.constantFrom(...networks), (policy, network) => {
        const ordered = {
          ...policy,
          maxFeerate: policy.minFeerate > policy.maxFeerate ? policy.minFeerate : policy.maxFeerate,
          maxOnchainFeerate:
            policy.minOnchainFeerate > policy.maxOnchainFeerate
              ? policy.minOnchainFeerate
              : policy.maxOnchainFeerate,
          maxDelay: Math.max(policy.minDelay, policy.maxDelay),
          maxDustLimit: policy.minDustLimit > policy.maxDustLimit ? policy.minDustLimit : policy.maxDustLimit,
        };
        const file = { network, preset: "mainnet-default" as const, policy: ordered };
        expect(read(printPolicy(file), network)).toEqual(file);
      }),
    );
  });

  test("has every limit under its sentence", () => {
    const lines = printPolicy({
      network: "bitcoin",
      preset: "merchant",
      policy: defaultPolicy("bitcoin"),
    }).split("\n");
    for (const [name, { sentence }] of Object.entries(figures)) {
      const at = lines.findIndex((line) => line.startsWith(`${name} = `));
      expect(lines[at - 1]).toContain(sentence);
    }
  });
});

describe("a file of its own", () => {
  test("takes underscores, and is bitcoin's unless it is said", () => {
    const { policy, network, preset } = read("[policy]\nmaxPush = 1_000_000\nforwarding = false\n");
    expect({ network, preset }).toEqual({ network: "bitcoin", preset: "mainnet-default" });
    expect(policy).toEqual({ ...defaultPolicy("bitcoin"), maxPush: 1_000_000n, forwarding: false });
  });

  test.each([
    [
      "a key that is misspelt",
      "[policy]\nmaxChanels = 3\n",
      /maxChanels: unknown key; did you mean `maxChannels`\?/,
    ],
    ["a preset that does not exist", '[policy]\npreset = "yolo"\n', /preset: .*mainnet-default.*merchant/],
    ["play money's preset", '[policy]\npreset = "regtest"\n', /preset: regtest is for money of no worth/],
    ["an empty range", "[policy]\nminDelay = 300\nmaxDelay = 200\n", /minDelay: 300 is above maxDelay/],
    ["an amount below nothing", "[policy]\nmaxPush = -1\n", /maxPush: /],
    ["an amount as text", '[policy]\nmaxPush = "1 BTC"\n', /maxPush: /],
    ["no table", "# nothing\n", /policy: missing: the limits stand in a table \[policy\]/],
    ["limits outside of the table", "maxChannels = 3\n", /maxChannels: stands outside of \[policy\]/],
    ["another table", "[policy]\n[polcy]\n", /polcy: unknown key; did you mean `policy`\?/],
    ["no TOML", "[policy]\nmaxPush = \n", /not TOML[\s\S]*2/],
    ["a number beyond all amounts", "[policy]\nmaxPush = 9_223_372_036_854_775_807\n", /p\.toml/],
  ])("with %s is not valid, and says where", (_, text, said) => {
    const error = errorOf(() => read(text));
    expect(error.problem).toBe("invalid");
    expect(error.message).toMatch(said);
  });

  test("may not turn a core rule off, in any word for it", () => {
    for (const key of ["permissive", "warnOnly", "disabled", "commitment-previous-revoked"])
      expect(errorOf(() => read(`[policy]\n${key} = true\n`)).message).toContain(`${key}: unknown key`);
  });
});

describe("a configuration", () => {
  test("says its network itself", () => {
    const text = `${config("signet")}[policy]\npreset = "merchant"\n`;
    expect(read(text)).toEqual({
      network: "signet",
      preset: "merchant",
      policy: presetPolicy("merchant", "signet"),
    });
    expect(read(text, "signet")).toEqual(read(text));
    expect(errorOf(() => read(text, "bitcoin"))).toMatchObject({
      problem: "usage",
      message: "p.toml is for signet, not for bitcoin",
    });
  });

  test("without a policy has its network's", () => {
    expect(read(config("regtest")).policy).toEqual(defaultPolicy("regtest"));
    expect(read(config("bitcoin")).policy).toEqual(defaultPolicy("bitcoin"));
  });
});
