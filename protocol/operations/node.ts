import { blob, choice, fixed, list, maybe, message, text, u8, u16, u32 } from "../codec.ts";
import { channel, feerate, msat, network, point, sat, signature, tier } from "./fields.ts";
import { operation } from "./operation.ts";

const blocks = u16("blocks", (n) => n);

/** What a host must stay inside, so that no honest request is refused (every figure inclusive). */
export const bounds = message("Bounds", {
  minFeerate: feerate,
  maxFeerate: feerate,
  maxChannelValue: sat,
  maxPush: msat,
  minDelay: blocks,
  maxDelay: blocks,
  minDustLimit: sat,
  maxDustLimit: sat,
  maxReserve: sat,
  maxOfferedHtlcs: u16("HTLCs", (n) => n),
  maxOfferedInFlight: msat,
  maxTrimmed: msat,
  maxClosingFeerate: feerate,
});

const bytes32 = (unit: string) => fixed(unit, 32, (bytes) => bytes);
const bytes = (unit: string, max: number) => blob(unit, max, (raw) => raw);
/** Of a signature from which the key can be recovered (SEC 1, section 4.1.6). */
const recoveryId = u8("recovery id", (n) => n);

/** Of the wallet that the seed opens: public, so that a host can watch it. */
export const account = message("Account", {
  /** What its path begins at; `seed` is the master key that any wallet finds. */
  master: text("name of the master key", 32),
  path: text("BIP 32 path", 64),
  /** What scripts are made of each branch; with none, of the account's own key one alone. */
  branches: list(choice("AccountKind", ["p2wpkh", "p2sh-p2wpkh", "p2tr"]), 2),
  xpub: text("extended public key of BIP 32", 128),
});

export const gossipKind = choice("GossipKind", ["channelAnnouncement", "nodeAnnouncement", "channelUpdate"]);
export const bolt12Message = choice("Bolt12Message", ["invoice", "invoiceRequest"]);

export const nodeOperations = {
  hello: operation(
    0x01,
    "Opens a session: agrees on version and network, and tells the host what this signer can do and which limits to stay inside.",
    {
      version: u16("protocol version", (n) => n),
      network,
      software: text("name and version of the host", 64),
    },
    {
      version: u16("protocol version", (n) => n),
      network,
      tier,
      software: text("name and version of the signer", 64),
      operations: list(
        u32("operation number", (n) => n),
        256,
      ),
      bounds,
    },
  ),
  identity: operation(
    0x02,
    "Answers with what a host may know of the node in public: its network, its wallet's accounts, a payer's base key.",
    {},
    {
      network,
      accounts: list(account, 8),
      /** What keys of BOLT 12 payers follow from, in styles that have one. */
      payer: maybe(point),
    },
  ),
  ecdh: operation(
    0x03,
    "Shares a secret between the node key and a point, as BOLT 8 and BOLT 4 do: the SHA-256 of their product, compressed.",
    { point },
    { shared: bytes32("shared secret") },
  ),
  signInvoice: operation(
    0x04,
    "Signs an invoice of BOLT 11, parsed whole, for this node and network; its hash is remembered as one of ours.",
    {
      hrp: text("prefix, as it was written", 64),
      /** All of the data part before the signature, one word of 5 bits in each byte. */
      words: bytes("words", 7_089),
    },
    { signature, recoveryId },
  ),
  signBolt12: operation(
    0x05,
    "Signs an invoice or an invoice request of BOLT 12: one that is parsed whole, or a root under the tag of its kind.",
    {
      message: bolt12Message,
      /** The whole message; a signature in it is left out of what is signed. */
      stream: maybe(bytes("TLV stream", 65_535)),
      /** Of its merkle tree, from a host that is told no more (Core Lightning); never in tier `full`. */
      root: maybe(bytes32("merkle root")),
      /** Where not the node key signs: it is moved by SHA-256 of the derived secret `node-alias-base` and this. */
      tweak: maybe(bytes("tweak", 256)),
    },
    { signature: fixed("BIP 340 signature", 64, (raw) => raw) },
  ),
  signGossip: operation(
    0x06,
    "Signs an announcement or update of BOLT 7 that is parsed whole, with the node key; a channel's also with its funding key.",
    {
      kind: gossipKind,
      /** What stands behind the signatures. */
      message: bytes("gossip message", 65_535),
      /** Of a channel announcement always, of a channel update where the host knows it. */
      channel: maybe(channel),
    },
    { nodeSignature: signature, fundingSignature: maybe(signature) },
  ),
  signMessage: operation(
    0x07,
    "Signs free text under the prefix that all nodes use for it, `Lightning Signed Message:`, hashed twice.",
    { message: bytes("message", 65_535) },
    { signature, recoveryId },
  ),
  deriveSecret: operation(
    0x08,
    "Derives a secret of the node that the host may have, one for each label: for what it seals or proves by itself.",
    { label: bytes("label", 256) },
    { secret: bytes32("secret") },
  ),
  inboundPaymentKey: operation(
    0x09,
    "Answers with the key under which a host makes and recognises payment secrets and metadata of its own invoices.",
    {},
    { key: bytes32("key") },
  ),
  randomBytes: operation(
    0x0a,
    "Answers with fresh randomness of the keyring.",
    { count: u8("bytes", (n) => n) },
    { bytes: bytes("random bytes", 255) },
  ),
};
