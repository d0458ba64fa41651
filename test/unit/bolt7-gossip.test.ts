import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chains } from "../../protocol/bitcoin/chains.ts";
import {
  hashOutputs,
  hashPrevouts,
  hashSequences,
  inputDigest,
  notCommitted,
} from "../../protocol/bitcoin/sighash.ts";
import { Writer } from "../../protocol/bitcoin/writer.ts";
import {
  type Address,
  aliasOf,
  type Bodies,
  type ChannelAnnouncement,
  type ChannelUpdate,
  decodeGossip,
  decodeSignedGossip,
  directionOf,
  encodeGossip,
  encodeSignedGossip,
  formatShortChannelId,
  type GossipName,
  gossipDigest,
  hasFeature,
  isDisabled,
  isFrom,
  isMinimal,
  isPrivate,
  namesChannel,
  namesKeys,
  originFault,
  type SignedGossip,
} from "../../protocol/bolt/gossip/index.ts";
import { anchorScript, fundingScript } from "../../protocol/bolt/scripts.ts";
import { concat, fromHex } from "../../protocol/bytes.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import {
  msat,
  type Point,
  point,
  type Sat,
  type Script,
  sat,
  script,
  signature,
  txid,
} from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import { anyGossip, anyKey, gossipNames, signatureCount } from "./bolt7-arbitrary.ts";

const key = (byte: number): Point => point(Uint8Array.of(2, ...new Uint8Array(32).fill(byte)));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const none = new Uint8Array();

const announcement: ChannelAnnouncement = {
  features: none,
  chain: "bitcoin",
  shortChannelId: { block: 539_268, transaction: 845, output: 1 },
  nodeId1: key(1),
  nodeId2: key(2),
  bitcoinKey1: key(4),
  bitcoinKey2: key(3),
  tail: none,
};

const update: ChannelUpdate = {
  chain: "regtest",
  shortChannelId: { block: 1, transaction: 2, output: 3 },
  timestamp: 4,
  messageFlags: 1,
  channelFlags: 0,
  cltvExpiryDelta: 40,
  htlcMinimum: msat(1n),
  feeBaseMsat: 1000,
  feeProportionalMillionths: 1,
  htlcMaximum: msat(1_000_000n),
  tail: none,
};

const node: Bodies["node_announcement"] = {
  features: fromHex("8000"),
  timestamp: 0x5eed_0001,
  nodeId: key(9),
  rgbColor: Uint8Array.of(1, 2, 3),
  alias: Uint8Array.from({ length: 32 }, (_, i) => [..."IRATEMONK"].map((c) => c.charCodeAt(0))[i] ?? 0),
  addresses: { known: [], rest: none },
  tail: none,
};

describe("the layout is the specification's", () => {
  test("channel_announcement", () => {
    expect(hex(encodeGossip("channel_announcement", announcement))).toBe(
      [
        "0000",
        "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000",
        "083a8400034d0001",
        ...[1, 2, 4, 3].map((n) => hex(key(n))),
      ].join(""),
    );
    expect(formatShortChannelId(announcement.shortChannelId)).toBe("539268x845x1");
  });

  test("channel_update", () => {
    expect(hex(encodeGossip("channel_update", update))).toBe(
      [
        hex(chains.regtest.genesisHash),
        "0000010000020003",
        "00000004",
        "0100",
        "0028",
        "0000000000000001",
        "000003e8",
        "00000001",
        "00000000000f4240",
      ].join(""),
    );
  });

  test("node_announcement, with every type of address", () => {
    const known: readonly Address[] = [
      { is: "ipv4", address: Uint8Array.of(127, 0, 0, 1), port: 9735 },
      { is: "ipv6", address: new Uint8Array(16).fill(1), port: 9736 },
      { is: "torV2", onion: new Uint8Array(10).fill(2), port: 1 },
      { is: "torV3", onion: new Uint8Array(35).fill(3), port: 2 },
      { is: "dns", hostname: "example.org", port: 3 },
    ];
    const rest = fromHex("c0ffee");
    const encoded = encodeGossip("node_announcement", { ...node, addresses: { known, rest } });
    const addresses = [
      "017f0000012607",
      `02${"01".repeat(16)}2608`,
      `03${"02".repeat(10)}0001`,
      `04${"03".repeat(35)}0002`,
      `050b${hex(new TextEncoder().encode("example.org"))}0003`,
      "c0ffee",
    ].join("");
    const length = (addresses.length / 2).toString(16).padStart(4, "0");
    expect(hex(encoded)).toBe(
      `00028000${"5eed0001"}${hex(key(9))}010203${hex(node.alias)}${length}${addresses}`,
    );
    expect(decodeGossip("node_announcement", encoded).addresses).toEqual({ known, rest });
  });
});

const each = gossipNames.map((name) => [name, anyGossip[name] as fc.Arbitrary<Bodies[GossipName]>] as const);

describe.each(each)("%s", (name, anyBody) => {
  test("is read as it was written, alone and signed", () => {
    fc.assert(
      fc.property(anyBody, fc.uint8Array({ minLength: 64, maxLength: 64 }), (body, raw) => {
        const bytes = encodeGossip(name, body);
        expect(decodeGossip(name, bytes)).toEqual(body);
        expect(gossipDigest(name, body)).toEqual(doubleSha256(bytes));
        const signatures = Array.from({ length: signatureCount[name] }, () => signature(raw));
        const message = encodeSignedGossip({ is: name, signatures, body } as SignedGossip);
        expect(message.length).toBe(2 + 64 * signatures.length + bytes.length);
        expect(decodeSignedGossip(message)).toEqual({ is: name, signatures, body });
        // The hash begins at offset 256 of the message (BOLT 7), which the type does not count in.
        const at256 = doubleSha256(message.subarray(2 + 256));
        if (name === "channel_announcement") expect(at256).toEqual(doubleSha256(bytes));
      }),
    );
  });

  test("hostile bytes are Malformed, or written as they were read", () => {
    const seen = { read: 0, malformed: 0 };
    steady(
      fc.property(
        anyBody,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
        fc.nat(3),
        (body, changes, cut) => {
          const bytes = encodeGossip(name, body);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const given = bytes.subarray(0, bytes.length - cut);
          try {
            expect(encodeGossip(name, decodeGossip(name, given))).toEqual(given);
            seen.read++;
          } catch (error) {
            if (!(error instanceof Malformed)) throw error;
            seen.malformed++;
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(seen.read).toBeGreaterThan(100);
    expect(seen.malformed).toBeGreaterThan(100);
  });

  test("a body that is cut is Malformed", () => {
    const [body] = fc.sample(anyBody, { numRuns: 1, seed: 7 }) as [Bodies[GossipName]];
    const bytes = encodeGossip(name, { ...body, tail: none });
    for (let end = 0; end < bytes.length; end++)
      expect(() => decodeGossip(name, bytes.subarray(0, end))).toThrow(Malformed);
  });

  test("what it was read from may be used again", () => {
    fc.assert(
      fc.property(anyBody, (body) => {
        const bytes = encodeGossip(name, body);
        const read = decodeGossip(name, bytes);
        bytes.fill(0xee);
        expect(read).toEqual(body);
      }),
    );
  });

  test("is no longer than a message", () => {
    const [body] = fc.sample(anyBody, { numRuns: 1, seed: 1 }) as [Bodies[GossipName]];
    const length = encodeGossip(name, { ...body, tail: none }).length;
    const most = 65_535 - 2 - 64 * signatureCount[name] - length;
    const longest = encodeGossip(name, { ...body, tail: new Uint8Array(most) });
    expect(decodeGossip(name, longest).tail.length).toBe(most);
    expect(() => decodeGossip(name, concat(longest, Uint8Array.of(0)))).toThrow(Malformed);
  });
});

describe("fields", () => {
  const malformed = (name: GossipName, bytes: Uint8Array): string => {
    try {
      decodeGossip(name, bytes);
      return "";
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return error.message;
    }
  };

  test("a chain that nobody knows", () => {
    const bytes = encodeGossip("channel_announcement", announcement);
    bytes[2] = 0;
    expect(malformed("channel_announcement", bytes)).toBe("chain: the hash of no known chain");
  });

  test("a key that is none", () => {
    const bytes = encodeGossip("channel_announcement", announcement);
    bytes[2 + 32 + 8 + 66] = 4;
    expect(malformed("channel_announcement", bytes)).toMatch(/^bitcoinKey1: /);
  });

  test("more features than there can be bits for", () => {
    const bytes = encodeGossip("node_announcement", { ...node, features: new Uint8Array(255) });
    expect(decodeGossip("node_announcement", bytes).features.length).toBe(255);
    const longer = concat(Uint8Array.of(1, 0, 0), bytes.subarray(2));
    expect(malformed("node_announcement", longer)).toMatch(/^features.*256 bytes of features/);
  });

  test.each(["00", "ff", "41 42", "\n"])("a hostname that is none: %j", (name) => {
    const raw = /^[0-9a-f]{2}$/.test(name) ? fromHex(name) : new TextEncoder().encode(name);
    const descriptor = concat(Uint8Array.of(5, raw.length), raw, Uint8Array.of(0, 1));
    const bytes = encodeGossip("node_announcement", { ...node, addresses: { known: [], rest: descriptor } });
    expect(malformed("node_announcement", bytes)).toMatch(/^addresses/);
  });

  test("an address beyond the length of them all", () => {
    const rest = Uint8Array.of(1, 127, 0, 0, 1, 0);
    const bytes = encodeGossip("node_announcement", {
      ...node,
      addresses: { known: [], rest },
      tail: fromHex("07"),
    });
    expect(malformed("node_announcement", bytes)).toMatch(/^addresses/);
  });

  test("another type of message", () => {
    for (const type of [0, 255, 259, 0x0200]) {
      const message = concat(Uint8Array.of(type >> 8, type), new Uint8Array(700));
      expect(() => decodeSignedGossip(message)).toThrow(/^type: /);
    }
    expect(() => decodeSignedGossip(none)).toThrow(Malformed);
    expect(() => decodeSignedGossip(fromHex("0100aa"))).toThrow(Malformed);
  });

  test("feature bits are counted from the end", () => {
    expect(isMinimal(none)).toBe(true);
    expect(isMinimal(fromHex("0080"))).toBe(false);
    expect(hasFeature(fromHex("8001"), 0)).toBe(true);
    expect(hasFeature(fromHex("8001"), 15)).toBe(true);
    expect([1, 7, 8, 14, 16, 4000].some((bit) => hasFeature(fromHex("8001"), bit))).toBe(false);
  });
});

/** All of a BIP 143 preimage; its digest is the one that the house signs. */
interface Spending {
  readonly version: number;
  readonly scriptCode: Script;
  readonly value: Sat;
  readonly index: number;
  readonly sequence: number;
  readonly locktime: number;
  readonly type: 0x01 | 0x83;
  readonly seed: Uint8Array;
}

const preimageOf = ({
  version,
  scriptCode,
  value,
  index,
  sequence,
  locktime,
  type,
  seed,
}: Spending): Uint8Array => {
  const outpoint = { txid: txid(doubleSha256(seed)), index };
  const outputs = [{ value, script: script(seed.slice()) }];
  const all = type === 0x01;
  const to = new Writer(156 + 5 + scriptCode.length)
    .u32(version)
    .raw(all ? hashPrevouts([outpoint]) : notCommitted)
    .raw(all ? hashSequences([sequence]) : notCommitted)
    .outpoint(outpoint)
    .sized(scriptCode)
    .u64(value)
    .u32(sequence)
    .raw(hashOutputs(outputs))
    .u32(locktime)
    .u32(type);
  const preimage = to.take().slice();
  const tx = { version, inputs: [{ outpoint, sequence }], outputs, locktime };
  expect(doubleSha256(preimage)).toEqual(inputDigest({ tx, index: 0, scriptCode, value, type }));
  return preimage;
};

const u32 = fc.nat({ max: 0xffff_ffff });
const ownScript = fc.oneof(
  fc.tuple(anyKey, anyKey).map(([a, b]) => fundingScript(a, b)),
  anyKey.map(anchorScript),
);
const spending = (version: fc.Arbitrary<number>, scriptCode: fc.Arbitrary<Script>): fc.Arbitrary<Spending> =>
  fc.record({
    ...{ version, scriptCode, index: u32, sequence: u32, locktime: u32 },
    value: fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }).map(sat),
    type: fc.constantFrom(0x01, 0x83),
    seed: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  });

const expectNoGossip = (bytes: Uint8Array, names = gossipNames): void => {
  for (const name of names) expect(() => decodeGossip(name, bytes)).toThrow(Malformed);
};

describe("what spends a channel is no gossip", () => {
  test("with any version that is relayed, whatever is spent, at any length", () => {
    const versions = fc.constantFrom(1, 2, 3);
    const hostile = fc.uint8Array({ maxLength: 3_000, size: "max" }).map(script);
    const any = fc.oneof(spending(versions, ownScript), spending(versions, hostile));
    fc.assert(
      fc.property(any, (parts) => expectNoGossip(preimageOf(parts))),
      { numRuns: 1_000 },
    );
  });

  test("a script that is an announcement in itself does not make its preimage one", () => {
    for (const version of [1, 2, 3]) {
      // As many features as the version says, read as a length, end where a whole announcement begins.
      const body = encodeGossip("channel_announcement", announcement).subarray(2);
      const fill = version * 256 + 2 - 107;
      const scriptCode = script(concat(new Uint8Array(fill), body, new Uint8Array(40)));
      const parts = {
        version,
        scriptCode,
        value: sat(1n),
        index: 0,
        sequence: 0,
        locktime: 0,
        type: 0x01,
      } as const;
      const preimage = preimageOf({ ...parts, seed: Uint8Array.of(1) });
      // All but the length of the features is as it should be.
      const at = version * 256 + 2;
      expect(preimage.subarray(at, at + 32)).toEqual(chains.bitcoin.genesisHash);
      expectNoGossip(preimage);
    }
  });

  test("with any version at all, the funding output's is no channel_announcement and no channel_update", () => {
    const hostile = fc.oneof(
      u32,
      // The first two bytes read as a length that leaves room for all the rest.
      fc.tuple(fc.nat(60), u32).map(([length, high]) => ((high & 0xffff_0000) | (length << 8)) >>> 0),
    );
    const networks = fc.constantFrom<Network>("bitcoin", "testnet", "signet", "regtest");
    let passed = 0;
    steady(
      fc.property(spending(hostile, ownScript), networks, anyKey, (parts, network, node) => {
        const preimage = preimageOf(parts);
        expectNoGossip(preimage, ["channel_announcement", "channel_update"]);
        // Even with all set that a host can choose, and the keys' first bytes, which it can find by trying.
        const length = ((preimage[0] as number) << 8) | (preimage[1] as number);
        const keys = 2 + length + 32 + 8;
        for (let at = keys; at < keys + 132 && at < preimage.length; at += 33)
          preimage.set(node.subarray(0, 1), at);
        expectNoGossip(preimage, ["channel_announcement", "channel_update"]);
        // It is the chain's hash that is missing: with it, the rest would pass.
        if (keys + 132 <= preimage.length) {
          preimage.set(chains[network].genesisHash, 2 + length);
          expect(decodeGossip("channel_announcement", preimage).chain).toBe(network);
          passed++;
        }
      }),
      { numRuns: 1_000 },
    );
    expect(passed).toBeGreaterThan(100);
  });
});

describe("what a channel's own gossip names", () => {
  const [low, high] = [key(1), key(2)];
  const shortChannelId = announcement.shortChannelId;
  const channel = {
    network: "bitcoin",
    shortChannelId,
    ours: { node: low, funding: key(4) },
    theirs: { node: high, funding: key(3) },
  } as const;

  test("its keys, on either side", () => {
    expect(namesKeys(announcement, channel)).toBe(true);
    expect(namesKeys(announcement, { ours: channel.theirs, theirs: channel.ours })).toBe(true);
    for (const field of ["nodeId1", "nodeId2", "bitcoinKey1", "bitcoinKey2"] as const)
      expect(namesKeys({ ...announcement, [field]: key(7) }, channel)).toBe(false);
    const { nodeId1, nodeId2, bitcoinKey1, bitcoinKey2 } = announcement;
    expect(namesKeys({ ...announcement, nodeId1: nodeId2, nodeId2: nodeId1 }, channel)).toBe(false);
    expect(namesKeys({ ...announcement, bitcoinKey1: bitcoinKey2, bitcoinKey2: bitcoinKey1 }, channel)).toBe(
      false,
    );
  });

  test("its chain and its place", () => {
    expect(namesChannel(announcement, channel)).toBe(true);
    expect(namesChannel({ ...announcement, chain: "testnet" }, channel)).toBe(false);
    for (const part of ["block", "transaction", "output"] as const) {
      const other = { ...shortChannelId, [part]: 0 };
      expect(namesChannel({ ...announcement, shortChannelId: other }, channel)).toBe(false);
    }
  });

  test("the node that an update is from", () => {
    expect(isFrom(update, low, high)).toBe(true);
    expect(isFrom(update, high, low)).toBe(false);
    const other = { ...update, channelFlags: 3, messageFlags: 3 };
    expect(isFrom(other, high, low)).toBe(true);
    expect([directionOf(update), directionOf(other)]).toEqual([0, 1]);
    expect([isDisabled(update), isDisabled(other)]).toEqual([false, true]);
    expect([isPrivate(update), isPrivate(other)]).toEqual([false, true]);
  });
});

describe("what an origin must not send", () => {
  test("honest gossip has no fault", () => {
    expect(originFault("channel_announcement", announcement)).toBeUndefined();
    expect(originFault("channel_update", update)).toBeUndefined();
    expect(originFault("node_announcement", node)).toBeUndefined();
    expect(aliasOf(node)).toBe("IRATEMONK");
  });

  test.each<[Partial<ChannelAnnouncement>, RegExp]>([
    [{ features: fromHex("0001") }, /features/],
    [{ nodeId2: announcement.nodeId1 }, /ascending/],
    [{ tail: Uint8Array.of(1) }, /behind the last/],
  ])("channel_announcement %#", (change, fault) => {
    expect(originFault("channel_announcement", { ...announcement, ...change })).toMatch(fault);
  });

  test.each<[Partial<ChannelUpdate>, RegExp]>([
    [{ messageFlags: 0 }, /must_be_one/],
    [{ messageFlags: 5 }, /flags/],
    [{ channelFlags: 4 }, /flags/],
    [{ timestamp: 0 }, /timestamp/],
    [{ htlcMinimum: msat(1_000_001n) }, /htlc_minimum_msat/],
    [{ tail: Uint8Array.of(1) }, /behind the last/],
  ])("channel_update %#", (change, fault) => {
    expect(originFault("channel_update", { ...update, ...change })).toMatch(fault);
  });

  test.each<[readonly Address[], Uint8Array, RegExp]>([
    [
      [
        { is: "ipv6", address: new Uint8Array(16), port: 1 },
        { is: "ipv4", address: new Uint8Array(4), port: 1 },
      ],
      none,
      /ascending/,
    ],
    [[{ is: "ipv4", address: new Uint8Array(4), port: 0 }], none, /port/],
    [
      [
        { is: "dns", hostname: "a", port: 1 },
        { is: "dns", hostname: "b", port: 1 },
      ],
      none,
      /more than one/,
    ],
    [[], Uint8Array.of(6), /unknown type/],
  ])("node_announcement %#", (known, rest, fault) => {
    expect(originFault("node_announcement", { ...node, addresses: { known, rest } })).toMatch(fault);
  });

  test("an alias that is no text", () => {
    const alias = node.alias.slice();
    alias[3] = 0xff;
    expect(aliasOf({ alias })).toBeUndefined();
    expect(originFault("node_announcement", { ...node, alias })).toMatch(/alias/);
    expect(aliasOf({ alias: new Uint8Array(32) })).toBe("");
  });
});
