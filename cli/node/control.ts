/** The language of the control socket: JSON lines, a request on each, and whatever answers it under the same id. */

import { z } from "zod";
import { invalid, Malformed } from "../../protocol/malformed.ts";
import { toJson } from "../json.ts";
import { nodePattern } from "./arguments.ts";

/** JSON's numbers end at 2^53, so a string will do as well. */
const count = (most: bigint) =>
  z
    .union([z.int().nonnegative(), z.string().regex(/^(0|[1-9][0-9]{0,19})$/, "not a number")])
    .transform((given) => BigInt(given))
    .refine((n) => n <= most, `more than ${most}`);

const sat = count(2_100_000_000_000_000n);
const msat = count(2_100_000_000_000_000_000n);
const any64 = count((1n << 64n) - 1n);
const node = z.string().regex(nodePattern, "not a node id");
const hash = z.string().regex(/^[0-9a-f]{64}$/, "not 32 bytes in hexadecimal");
/** The beginning of a channel's id is enough where only one has it. */
const prefix = z.string().regex(/^[0-9a-f]{1,64}$/, "not a channel's id, or the beginning of one");
const address = z.strictObject({ host: z.string().min(1).max(255), port: z.int().min(0).max(65_535) });
const text = (most: number) => z.string().max(most);

const nothing = z.strictObject({});
const settled = z.strictObject({ id: hash, hash, preimage: hash, feeMsat: msat });
const view = z.strictObject({
  channel: hash,
  node,
  funding: z.string().optional(),
  valueSat: sat,
  outboundMsat: msat,
  inboundMsat: msat,
  isOutbound: z.boolean(),
  isReady: z.boolean(),
  isUsable: z.boolean(),
  isAnnounced: z.boolean(),
  hasAnchors: z.boolean(),
  confirmations: z.int().optional(),
  confirmationsNeeded: z.int().optional(),
  toSelfDelay: z.int().optional(),
  feerate: z.int().optional(),
  shortChannelId: any64.optional(),
  htlcs: z.int(),
  shutdown: z.string().optional(),
});
const row = z.strictObject({
  id: hash,
  direction: z.enum(["in", "out"]),
  hash: hash.optional(),
  state: z.enum(["waiting", "done", "failed"]),
  msat,
  feeMsat: msat.optional(),
  preimage: hash.optional(),
  reason: z.string().optional(),
});

const control = <A extends z.ZodType, B extends z.ZodType>(asked: A, answer: B) => ({ asked, answer });

/** Every command, once: what it is given and what it gives. */
export const controls = {
  info: control(
    nothing,
    z.strictObject({
      node,
      network: z.enum(["bitcoin", "testnet", "signet", "regtest"]),
      height: z.int().nonnegative(),
      peers: z.array(node),
      listening: address.optional(),
    }),
  ),
  connect: control(z.strictObject({ node, address }), nothing),
  disconnect: control(z.strictObject({ node }), nothing),
  open: control(
    z.strictObject({
      node,
      valueSat: sat,
      pushMsat: msat.exactOptional(),
      announced: z.boolean().exactOptional(),
    }),
    z.strictObject({ channel: hash }),
  ),
  channels: control(nothing, z.strictObject({ channels: z.array(view) })),
  invoice: control(
    z.strictObject({
      msat: msat.exactOptional(),
      description: text(639),
      expirySeconds: z.int().min(1).max(31_536_000).exactOptional(),
    }),
    z.strictObject({ invoice: z.string(), hash }),
  ),
  pay: control(
    z.strictObject({
      invoice: text(16_000),
      msat: msat.exactOptional(),
      feeLimitMsat: msat.exactOptional(),
    }),
    settled,
  ),
  keysend: control(z.strictObject({ node, msat, feeLimitMsat: msat.exactOptional() }), settled),
  offer: control(z.strictObject({ description: text(1_000) }), z.strictObject({ offer: z.string() })),
  payOffer: control(
    z.strictObject({
      offer: text(16_000),
      msat,
      feeLimitMsat: msat.exactOptional(),
      note: text(500).exactOptional(),
    }),
    settled,
  ),
  payments: control(
    z.strictObject({ last: z.int().min(1).max(10_000) }),
    z.strictObject({ payments: z.array(row), more: z.int().nonnegative() }),
  ),
  address: control(nothing, z.strictObject({ address: z.string() })),
  balance: control(
    nothing,
    z.strictObject({
      wallet: z.strictObject({ confirmed: sat, immature: sat, taken: sat }),
      channelsMsat: msat,
      closingSat: sat,
      sweepingSat: sat,
    }),
  ),
  close: control(z.strictObject({ channel: prefix }), z.strictObject({ channel: hash })),
  forceClose: control(z.strictObject({ channel: prefix }), z.strictObject({ channel: hash })),
  /** Looks at the chain now. */
  sync: control(nothing, z.strictObject({ height: z.int().nonnegative() })),
  /** Answered at once; then each event comes under the same id, until the connection ends. */
  events: control(nothing, nothing),
  /** Answered at once; the connection ends when the node has stopped. */
  stop: control(nothing, nothing),
};

export type ControlName = keyof typeof controls;
export type Asked<N extends ControlName> = z.output<(typeof controls)[N]["asked"]>;
export type Answer<N extends ControlName> = z.output<(typeof controls)[N]["answer"]>;

export const controlNames = Object.keys(controls) as readonly ControlName[];

/** Bytes of a request's line, its end not counted. */
export const longestRequest = 65_536;
/** Ten thousand payments take a tenth of it. */
export const longestReply = 64 * 1024 * 1024;

export interface ControlRequest {
  readonly id: number;
  readonly ask: ControlName;
  readonly asked: Asked<ControlName>;
}

/** Why something was not done. */
export const failureKinds = ["refused", "notApproved", "notDone", "invalid", "stopped", "fault"] as const;

const reply = z.discriminatedUnion("is", [
  z.strictObject({ id: z.int(), is: z.literal("answer"), answer: z.unknown() }),
  z.strictObject({ id: z.int(), is: z.literal("failed"), kind: z.enum(failureKinds), reason: z.string() }),
  z.strictObject({ id: z.int(), is: z.literal("malformed"), path: z.string(), reason: z.string() }),
  /** `text` is the event for people. */
  z.strictObject({
    id: z.int(),
    is: z.literal("event"),
    event: z.looseObject({ is: z.string() }),
    text: z.string(),
  }),
]);
export type ControlReply = Readonly<z.output<typeof reply>>;

const held = <T extends z.ZodType>(schema: T, given: unknown): z.output<T> => {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Malformed((issue?.path ?? []).map(String).join("."), issue?.message ?? "unreadable");
};

const json = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    throw invalid("not JSON");
  }
};

const head = z.looseObject({
  id: z.int().nonnegative(),
  ask: z.enum(controlNames as readonly [ControlName, ...ControlName[]]),
});

/** `{"id": 1, "ask": "invoice", "msat": "1000", …}`. Throws `Malformed`. */
export const parseControlRequest = (line: string): ControlRequest => {
  const { id, ask, ...fields } = held(head, json(line));
  return { id, ask, asked: held<z.ZodType>(controls[ask].asked, fields) as Asked<ControlName> };
};

/** Of a line that is no request, so that whoever sent it knows which one it was. */
export const idIn = (line: string): number => {
  try {
    return held(z.looseObject({ id: z.int().nonnegative() }), json(line)).id;
  } catch {
    return 0;
  }
};

export const printControlRequest = ({ id, ask, asked }: ControlRequest): string =>
  toJson({ id, ask, ...asked });

export const parseControlReply = (line: string): ControlReply => held(reply, json(line));

export const parseControlAnswer = <N extends ControlName>(name: N, answer: unknown): Answer<N> =>
  held<z.ZodType>(controls[name].answer, answer) as Answer<N>;

export const printControlReply = (given: ControlReply): string => toJson(given);
