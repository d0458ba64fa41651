/** Headers, proofs and blocks, which a chain source sends, and gossip, which is signed. */

import * as fc from "fast-check";
import {
  type ElectrumLine,
  parseElectrumLine,
  parseElectrumUrl,
  printElectrumUrl,
} from "../../../chain/electrum-line.ts";
import { SourceError } from "../../../chain/source.ts";
import { scanBlock } from "../../../protocol/bitcoin/block.ts";
import { chains } from "../../../protocol/bitcoin/chains.ts";
import { decodeHeader, encodeHeader } from "../../../protocol/bitcoin/header.ts";
import { decodeMerkleBlock, encodeMerkleBlock, proveMatches } from "../../../protocol/bitcoin/proof.ts";
import {
  type Bodies,
  decodeGossip,
  decodeSignedGossip,
  encodeGossip,
  encodeSignedGossip,
  type GossipName,
} from "../../../protocol/bolt/gossip/index.ts";
import { concat, fromHex } from "../../../protocol/bytes.ts";
import { invalid } from "../../../protocol/malformed.ts";
import { script } from "../../../protocol/units.ts";
import { anyBlock, publicChains, rawOf } from "../../unit/bitcoin-blocks.ts";
import { anyGossip, gossipNames, signatureCount } from "../../unit/bolt7-arbitrary.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled, utf8 } from "./seeds.ts";

const gossip = "protocol/bolt/gossip/index.ts";

const bodies = (name: GossipName, seed: number, count: number): readonly Bodies[GossipName][] =>
  sampled(anyGossip[name] as fc.Arbitrary<Bodies[GossipName]>, seed, count);

const types: Readonly<Record<GossipName, number>> = {
  channel_announcement: 256,
  node_announcement: 257,
  channel_update: 258,
};

const unsigned = (name: GossipName): Target => ({
  name: name.replace("_", "-"),
  covers: [`${gossip} decodeGossip`],
  seeds: (seed, count) => bodies(name, seed, count).map((body) => encodeGossip(name, body)),
  decode: (bytes) => {
    const value = decodeGossip(name, bytes);
    return { value, encode: () => encodeGossip(name, value) };
  },
  rejects: isMalformed,
  exact: true,
});

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const electrumLine = fc
  .oneof(
    fc.record({ id: fc.nat(), result: fc.jsonValue() }),
    fc.record({ id: fc.nat(), error: fc.record({ code: fc.integer(), message: fc.string() }) }),
    fc.record({ id: fc.nat(), error: fc.string() }),
    fc.record({ method: fc.string(), params: fc.array(fc.jsonValue(), { maxLength: 3 }) }),
  )
  .map((line) => JSON.stringify({ jsonrpc: "2.0", ...line }));

const printLine = (line: ElectrumLine): string => {
  switch (line.is) {
    case "result":
      return JSON.stringify({ id: line.id, result: line.value });
    case "error":
      return JSON.stringify({ id: line.id, error: { code: line.code, message: line.message } });
    case "notification":
      return JSON.stringify({ method: "" });
  }
};

const electrumUrl = fc
  .tuple(
    fc.constantFrom("tcp", "ssl"),
    fc.oneof(
      fc.constantFrom("127.0.0.1", "[::1]", "electrum.example", "[::ffff:127.0.0.1]"),
      fc.domain(),
      fc.ipV6().map((host) => `[${host}]`),
    ),
    fc.integer({ min: 1, max: 65_535 }),
    fc.constantFrom("", "/"),
  )
  .map(([scheme, host, port, end]) => `${scheme}://${host}:${port}${end}`);

export const chainTargets: readonly Target[] = [
  {
    name: "electrum-line",
    covers: ["chain/electrum-line.ts parseElectrumLine"],
    seeds: (seed, count) => sampled(electrumLine, seed, count).map(utf8),
    // As text: JSON has a zero below zero, and reads it back as zero.
    decode: (bytes) => {
      const value = printLine(parseElectrumLine(textOf(bytes)));
      return { value, encode: () => utf8(value) };
    },
    rejects: (error) => error instanceof SourceError,
    // Servers add fields, and write errors in several ways.
    exact: false,
  },
  {
    name: "electrum-url",
    covers: ["chain/electrum-line.ts parseElectrumUrl"],
    seeds: (seed, count) => sampled(electrumUrl, seed, count).map(utf8),
    decode: (bytes) => {
      const value = parseElectrumUrl(textOf(bytes));
      if (value === undefined) throw invalid("no address");
      return { value, encode: () => utf8(printElectrumUrl(value)) };
    },
    rejects: isMalformed,
    exact: false,
  },
  ...gossipNames.map(unsigned),
  {
    name: "signed-gossip",
    covers: [`${gossip} decodeSignedGossip`],
    seeds: (seed, count) =>
      gossipNames.flatMap((name) =>
        bodies(name, seed, Math.ceil(count / 3)).map((body) => {
          const type = Uint8Array.of(types[name] >> 8, types[name]);
          return concat(type, new Uint8Array(64 * signatureCount[name]), encodeGossip(name, body));
        }),
      ),
    decode: (bytes) => {
      const value = decodeSignedGossip(bytes);
      return { value, encode: () => encodeSignedGossip(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => (value as ReturnType<typeof decodeSignedGossip>).is,
  },
  {
    name: "header",
    covers: ["protocol/bitcoin/header.ts decodeHeader"],
    seeds: () => Object.values(chains).map(({ genesis }) => genesis),
    decode: (bytes) => {
      const value = decodeHeader(bytes);
      return { value, encode: () => encodeHeader(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
  {
    name: "merkle-block",
    covers: ["protocol/bitcoin/proof.ts decodeMerkleBlock"],
    seeds: (seed, count) =>
      sampled(anyBlock(), seed, count).map(({ header, txids }) => {
        // Every leaf matched: then every node is a parent, and all flags are set.
        const flags = new Uint8Array(Math.ceil((2 * txids.length + 3) / 8)).fill(0xff);
        return encodeMerkleBlock({ header, count: txids.length, hashes: txids, flags });
      }),
    decode: (bytes) => {
      const value = decodeMerkleBlock(bytes);
      return { value, encode: () => encodeMerkleBlock(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
  {
    name: "merkle-matches",
    covers: [],
    seeds: (seed, count) =>
      sampled(anyBlock(), seed, count).map(({ header, txids, txs: [coinbase] }) => {
        const flags = Uint8Array.of(1);
        const shown = encodeMerkleBlock({ header, count: txids.length, hashes: txids.slice(0, 1), flags });
        return concat(shown, coinbase === undefined ? shown : rawOf(coinbase));
      }),
    decode: (bytes) => {
      const copy = bytes.slice();
      // The coinbase of a made block follows one hash and one byte of flags.
      const tree = decodeMerkleBlock(bytes.subarray(0, 80 + 4 + 1 + 32 + 2));
      const value = proveMatches(tree, bytes.subarray(80 + 4 + 1 + 32 + 2));
      return { value, encode: () => copy };
    },
    rejects: isMalformed,
    exact: true,
  },
  {
    name: "block",
    covers: [],
    seeds: (seed, count) => [
      ...publicChains.signet.map(fromHex),
      ...sampled(anyBlock(), seed, count).map(({ raw }) => raw),
    ],
    decode: (bytes) => {
      const copy = bytes.slice();
      const watched = { outpoints: [], scripts: [script(Uint8Array.of(0x51))] };
      return { value: scanBlock(bytes, watched), encode: () => copy };
    },
    rejects: isMalformed,
    exact: true,
  },
];
