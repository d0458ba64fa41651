/** What comes over a cable: frames in every carrier, what is said before a session, Noise, and what is sealed. */

import * as fc from "fast-check";
import { concat } from "../../../protocol/bytes.ts";
import { carriers } from "../../../protocol/carrier/index.ts";
import { decodeCobs, encodeCobs } from "../../../protocol/carrier/serial.ts";
import { type Fields, message } from "../../../protocol/codec.ts";
import { type Carrier, decodeFrame, encodeFrame, type Frame } from "../../../protocol/frame.ts";
import {
  decodeError,
  decodeHello,
  decodeInit,
  encodeError,
  encodeHello,
  encodeInit,
  errorFields,
  helloFields,
  initFields,
} from "../../../protocol/link/hello.ts";
import { decodePiece, encodePiece, type Piece, pieceKinds } from "../../../protocol/link/piece.ts";
import { handshake, type Pattern } from "../../../protocol/noise.ts";
import { Secret } from "../../../protocol/secret.ts";
import { addressForms, formatLinkAddress, parseLinkAddress } from "../../../protocol/wire/links/address.ts";
import { keyPair } from "../../../protocol/x25519.ts";
import { arbitraryOf } from "../../unit/arbitrary.ts";
import { anyFrame } from "../../unit/frame-arbitrary.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled, valuesOf } from "./seeds.ts";

/** One of the three bodies that are said in the clear. */
const clear = <T>(
  name: string,
  fields: Fields,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
): Target => ({
  name: `link-${name.toLowerCase()}`,
  covers: [`protocol/link/hello.ts decode${name}`],
  seeds: (seed, count) =>
    valuesOf(message(name, fields).shape, seed, count).flatMap((value) => {
      try {
        return [encode(value as T)];
      } catch {
        // Not every number is a channel or a length.
        return [];
      }
    }),
  decode: (bytes) => {
    const value = decode(bytes);
    return { value, encode: () => encode(value) };
  },
  rejects: isMalformed,
  exact: true,
});

const pieces = (seed: number, count: number): readonly Uint8Array[] =>
  Object.entries(pieceKinds).flatMap(([kind, { fields }]) =>
    sampled(arbitraryOf(message(kind, fields as Fields).shape), seed, Math.ceil(count / 11)).flatMap(
      (value) => {
        try {
          return [encodePiece({ kind, ...(value as object) } as Piece)];
        } catch {
          return [];
        }
      },
    ),
  );

const deframed = (carrier: Carrier): Target => ({
  name: `deframer-${carrier.name}`,
  covers: [],
  seeds: (seed, count) =>
    sampled(fc.array(anyFrame(200), { minLength: 1, maxLength: 4 }), seed, count).map((frames) =>
      concat(...frames.flatMap((frame) => [...carrier.encode(frame)])),
    ),
  decode: (bytes) => {
    const whole = carrier.deframer().push(bytes);
    const frames = whole.flatMap((one): readonly Frame[] => (one.is === "frame" ? [one.frame] : []));
    return { value: frames, encode: () => concat(...frames.flatMap((frame) => [...carrier.encode(frame)])) };
  },
  // Whatever comes, it never throws.
  rejects: (_error): _error is Error => false,
  exact: false,
  kindOf: (value) => String((value as readonly Frame[]).length),
});

const keysOf = (n: number) => keyPair(new Secret(new Uint8Array(32).fill(n)));
const [ours, theirs] = [keysOf(1), keysOf(2)];

const sideOf = (pattern: Pattern, role: "initiator" | "responder") =>
  handshake({
    pattern,
    role,
    prologue: new Uint8Array(3),
    identity: role === "initiator" ? ours : theirs,
    ephemeral: keysOf(role === "initiator" ? 3 : 4),
    ...(pattern === "KK" ? { theirs: (role === "initiator" ? theirs : ours).public } : {}),
  });

/** The first message goes to the device, the second to the signer: the first byte says which one this is. */
const shaken = (pattern: Pattern): Target => ({
  name: `noise-${pattern.toLowerCase()}`,
  covers: [],
  seeds: (seed, count) =>
    sampled(fc.uint8Array({ maxLength: 40 }), seed, Math.ceil(count / 2)).flatMap((payload) => {
      const [initiator, responder] = [sideOf(pattern, "initiator"), sideOf(pattern, "responder")];
      const first = initiator.write(payload);
      responder.read(first);
      return [concat(Uint8Array.of(0), first), concat(Uint8Array.of(1), responder.write(payload))];
    }),
  decode: (bytes) => {
    const second = ((bytes[0] ?? 0) & 1) === 1;
    const side = sideOf(pattern, second ? "initiator" : "responder");
    if (second) side.write(new Uint8Array(0));
    const given = bytes.slice();
    const payload = side.read(bytes.subarray(1));
    return { value: { second, payload }, encode: () => given };
  },
  rejects: isMalformed,
  exact: false,
  kindOf: (value) => String((value as { readonly second: boolean }).second),
});

export const linkTargets: readonly Target[] = [
  {
    name: "frame",
    covers: ["protocol/frame.ts decodeFrame"],
    seeds: (seed, count) => sampled(anyFrame(300), seed, count).map(encodeFrame),
    decode: (bytes) => {
      const value = decodeFrame(bytes);
      return { value, encode: () => encodeFrame(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => (value as Frame).type,
  },
  {
    name: "cobs",
    covers: ["protocol/carrier/serial.ts decodeCobs"],
    seeds: (seed, count) =>
      sampled(
        fc.oneof(
          fc.uint8Array({ maxLength: 600 }),
          fc.nat(600).map((length) => new Uint8Array(length).fill(7)),
        ),
        seed,
        count,
      ).map(encodeCobs),
    decode: (bytes) => {
      const value = decodeCobs(bytes);
      return { value, encode: () => encodeCobs(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
  ...Object.values(carriers).map(deframed),
  clear("Init", initFields, encodeInit, decodeInit),
  clear("Hello", helloFields, encodeHello, decodeHello),
  clear("Error", errorFields, encodeError, decodeError),
  {
    name: "link-piece",
    covers: ["protocol/link/piece.ts decodePiece"],
    seeds: pieces,
    decode: (bytes) => {
      const value = decodePiece(bytes);
      return { value, encode: () => encodePiece(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => (value as Piece).kind,
  },
  shaken("XX"),
  shaken("KK"),
  {
    name: "link-address",
    covers: ["protocol/wire/links/address.ts parseLinkAddress"],
    seeds: () => addressForms.map((form) => new TextEncoder().encode(form)),
    decode: (bytes) => {
      const value = parseLinkAddress(new TextDecoder().decode(bytes));
      return { value, encode: () => new TextEncoder().encode(formatLinkAddress(value)) };
    },
    rejects: isMalformed,
    // A usual speed may be said or not, and hexadecimal digits have two cases.
    exact: false,
    kindOf: (value) => (value as ReturnType<typeof parseLinkAddress>).is,
  },
];
