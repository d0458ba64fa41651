/** Each message between signer and device as a value and as bytes, for whoever writes a device in another language. */

import { concat, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import {
  type CoreAnswer,
  type CoreRequest,
  coreRefusals,
  encodeCoreAnswer,
  encodeCoreRequest,
  type PageChange,
} from "../../protocol/device/core.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  encodeDeviceAnswer,
  encodeDeviceRequest,
  forCore,
  forDevice,
  refusals,
} from "../../protocol/device/requests.ts";
import { packReply, packRequest } from "../../protocol/operations/index.ts";
import {
  channelId,
  commitmentNumber,
  feerate,
  msat,
  point,
  revocationSecret,
  script,
} from "../../protocol/units.ts";
import { filled } from "./link.kit.ts";

/** Every kind once at least: the compiler misses one that is not here. */
type Each<T extends { readonly is: string }> = {
  readonly [K in T["is"]]: readonly Omit<Extract<T, { readonly is: K }>, "is">[];
};

const some = point(concat(Uint8Array.of(2), filled(0x11, 32)));
const other = point(concat(Uint8Array.of(3), filled(0x22, 32)));
const channel = channelId(5n);
const number = commitmentNumber;
const toPubkeyHash = script(concat(Uint8Array.of(0, 20), filled(0x33, 20)));

const deviceRequests: Each<DeviceRequest> = {
  info: [{}],
  setup: [{ entropy: filled(0x44, 32) }],
  restore: [{}],
  verifyWords: [{}],
  unlock: [{ passphrase: false }, { passphrase: true }],
  lock: [{}],
  changePin: [{}],
  wipe: [{}],
};

const stood = {
  messages: 1,
  firmware: "countersign device 0.1.0",
  isVerified: true,
  attemptsLeft: 10,
  waitMs: 0,
  counter: 258n,
  root: filled(0x55, 32),
};

const deviceAnswers: Each<DeviceAnswer> = {
  info: [
    { info: { ...stood, stage: "unlocked", fingerprint: filled(0x66, 4) } },
    { info: { ...stood, stage: "locked", attemptsLeft: 8, waitMs: 2_000, fingerprint: unknown } },
    { info: { ...stood, stage: "seedless", fingerprint: unknown } },
    { info: { ...stood, stage: "unprovisioned", isVerified: false, fingerprint: unknown } },
  ],
  done: [{}],
  refused: refusals.map((why) =>
    why === "wrong-pin" ? { why, waitMs: 2_000, left: 8 } : { why, waitMs: 0, left: 0 },
  ),
  malformed: [{ path: "info", reason: "no kind that is known" }],
  fault: [{ sentence: "the device has a fault: start it again" }],
};

const revoke = packRequest("revokeHolderCommitment", { node: some, channel, number: number(7n) });

const limits = {
  ...{ each: msat(1_000_000n), allowance: msat(50_000_000n), forwarding: true },
  ...{ maxFeerate: feerate(25_000), maxClosingFeerate: feerate(25_000) },
  ...{ maxOnchainFeerate: feerate(50_000), maxSweepFeerate: feerate(100_000) },
  ...{ destinations: [toPubkeyHash], payees: [other], approvers: [some.slice(1), other.slice(1)], needed: 2 },
};
const signature = { key: some.slice(1), signature: filled(0xcc, 64) };

const coreRequests: Each<CoreRequest> = {
  open: [
    { network: "bitcoin", tier: "full", index: 0, now: 1_790_000_000n },
    { network: "regtest", tier: "stateless", index: 258, now: 0n },
  ],
  load: [{ pages: [filled(0x77, 40), filled(0x78, 41)] }, { pages: [] }],
  begin: [{}],
  judge: [{ step: 41n, now: 1_790_000_000n, witness: 77n, request: revoke }],
  consult: [{ approval: filled(0x88, 32) }],
  basepoints: [{ channel }],
  points: [{ channel, numbers: [number(0n), number((1n << 48n) - 1n)] }],
  closingScript: [{ channel }],
  walletKey: [{ place: { account: 1, branch: 0, index: 258 } }],
  identity: [{}],
  ecdh: [{ point: some }],
  payerKey: [{ tweak: filled(0x99, 32) }, { tweak: new Uint8Array(0) }],
  random: [{ count: 32 }],
  vouch: [{ step: 41n }],
  limits: [{}],
  setLimits: [
    { step: 41n, limits, signatures: [] },
    { step: 41n, limits, signatures: [signature] },
  ],
  questions: [{}],
  answer: [{ step: 41n, approval: filled(0x88, 32), verdict: "approve", signatures: [signature] }],
  channels: [{}],
  over: [{ channel }],
};

const pages: readonly PageChange[] = [
  { key: "channel/5", page: filled(0x77, 40) },
  { key: "approval/00", page: unknown },
];
const after = { step: 42n, pages };

const coreAnswers: Each<CoreAnswer> = {
  opened: [{ node: some, step: 41n, witness: 77n, isOpen: false }],
  done: [{}],
  begun: [
    { step: 41n, isBehind: false },
    { step: 42n, isBehind: true },
  ],
  reply: [
    {
      ...after,
      reply: packReply("revokeHolderCommitment", {
        secret: revocationSecret(filled(0xaa, 32)),
        points: [some, other],
      }),
    },
  ],
  refusal: [
    {
      step: 41n,
      pages: [],
      refusal: {
        rule: "device-consent",
        kind: "consent",
        final: false,
        sentence: "Yes is said at the device: by its person, its allowance, or its approvers.",
        facts: [{ name: "approval", value: toHex(filled(0x88, 32)) }],
        hint: "",
      },
    },
  ],
  malformed: [{ step: 41n, pages: [], malformed: { path: "number", reason: "not below 2^48" } }],
  pages: [after],
  verdict: [
    { verdict: "approve", by: "person" },
    { verdict: "approve", by: "allowance" },
    { verdict: "deny", by: "approvers" },
  ],
  basepoints: [
    { basepoints: { funding: some, revocation: other, payment: some, delayed: other, htlc: some } },
  ],
  points: [{ points: [some, other] }],
  script: [{ script: toPubkeyHash }],
  walletKey: [{ key: { form: "p2wpkh", point: some, script: toPubkeyHash } }, { key: unknown }],
  identity: [
    {
      accounts: [{ master: "seed", path: "m/84'/0'/0'", branches: ["p2wpkh", "p2wpkh"], xpub: "xpub..." }],
      payer: other,
    },
    { accounts: [], payer: unknown },
  ],
  bytes: [{ bytes: filled(0xbb, 32) }],
  point: [{ point: other }],
  refused: coreRefusals.map((why) => ({ why })),
  fault: [{ fault: { code: "store", sentence: "the store can't be written" } }],
  limits: [{ mark: filled(0xdd, 16), limits, left: msat(20_000_000n) }],
  questions: [
    {
      questions: [
        {
          ...{ id: filled(0x88, 32), subject: "payment", amount: msat(21_000n), asked: 1_790_000_000n },
          shown: [{ name: "description", value: "tea" }],
        },
      ],
      more: 0,
    },
  ],
  channels: [{ channels: [channel, channelId(258n)] }, { channels: [] }],
};

interface Message {
  readonly is: string;
  readonly value: unknown;
  readonly bytes: Uint8Array;
}

const listed = <T extends { readonly is: string }>(
  addressee: number,
  all: Each<T>,
  encode: (value: T) => Uint8Array,
): readonly Message[] =>
  Object.entries(all as Readonly<Record<string, readonly object[]>>).flatMap(([is, values]) =>
    values.map((value) => ({
      is,
      value,
      bytes: concat(Uint8Array.of(addressee), encode({ is, ...value } as T)),
    })),
  );

export const messageVectors = () => ({
  device: {
    requests: listed(forDevice, deviceRequests, encodeDeviceRequest),
    answers: listed(forDevice, deviceAnswers, encodeDeviceAnswer),
  },
  core: {
    requests: listed(forCore, coreRequests, encodeCoreRequest),
    answers: listed(forCore, coreAnswers, encodeCoreAnswer),
  },
});
