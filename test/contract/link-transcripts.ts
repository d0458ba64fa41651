/** Links byte for byte, for whoever writes a device in another language: fixed keys, and chance that is none. */

import { toHex } from "../../protocol/bytes.ts";
import { carriers } from "../../protocol/carrier/index.ts";
import { broadcast, encodeFrame, type Frame } from "../../protocol/frame.ts";
import { admission } from "../../protocol/link/admission.ts";
import { approach } from "../../protocol/link/approach.ts";
import { usualMessage } from "../../protocol/link/hello.ts";
import { codeOf, commitmentOf } from "../../protocol/link/pairing.ts";
import { encodePiece, type PartPiece, type Piece, piecesOf } from "../../protocol/link/piece.ts";
import { openedSession, type Session } from "../../protocol/link/session.ts";
import { cipherState } from "../../protocol/noise.ts";
import { Secret } from "../../protocol/secret.ts";
import { counted, deviceKeys, filled, sha, signerKeys } from "./link.kit.ts";

export const seeds = { signer: 21, device: 22 } as const;

interface Step {
  readonly from: "signer" | "device";
  readonly type: Frame["type"];
  readonly frame: string;
  /** Of data: what is sealed in it. */
  readonly piece?: string;
}

/** What each side took for random, in the order in which it asked. */
const logged = (seed: number) => {
  const taken: string[] = [];
  const random = counted(seed);
  return {
    taken,
    random: (length: number): Uint8Array => {
      const bytes = random(length);
      taken.push(toHex(bytes));
      return bytes;
    },
  };
};

const never = () => () => {};

/** Init, hello and handshake, up to where both sides have a session. */
const met = (purpose: "pair" | "session") => {
  const steps: Step[] = [];
  const chance = { signer: logged(seeds.signer), device: logged(seeds.device) };
  const toDevice: Frame[] = [];
  const toSigner: Frame[] = [];
  const sends = (from: Step["from"], to: Frame[]) => (frame: Frame) => {
    steps.push({ from, type: frame.type, frame: toHex(encodeFrame(frame)) });
    to.push(frame);
  };
  const device = admission({
    identity: deviceKeys,
    signers: () => [signerKeys.public],
    isPairing: () => true,
    ports: { random: chance.device.random, after: never },
    capabilities: 1,
    maxMessage: usualMessage,
    inFlight: 4,
    send: sends("device", toSigner),
  });
  const signer = approach({
    identity: signerKeys,
    device: purpose === "session" ? deviceKeys.public : undefined,
    ports: { random: chance.signer.random, after: never },
    capabilities: 0,
    maxMessage: usualMessage,
    send: sends("signer", toDevice),
  });
  for (;;) {
    const frame = toDevice.shift();
    if (frame?.type === "init") device.init(frame);
    else if (frame !== undefined) device.handshake(frame);
    const answer = toSigner.shift();
    const step = answer === undefined ? undefined : signer.receive(answer);
    if (step?.is !== "there") continue;
    for (const last of toDevice) device.handshake(last);
    const admitted = device.admitted(step.channel);
    if (admitted === undefined) throw new Error("the device has no session");
    const sessions = { signer: openedSession(step.channel, step.split), device: admitted.session };
    return { steps, chance, sessions, hash: step.split.hash, theirs: step.split.theirs };
  }
};

/** Each piece is sealed by one side, and opened by the other. */
const said = (
  steps: Step[],
  sessions: Record<Step["from"], Session>,
  from: Step["from"],
  piece: Piece,
): void => {
  const frame = sessions[from].seal(piece);
  const opened = sessions[from === "signer" ? "device" : "signer"].open(frame);
  if (opened.is !== "piece") throw new Error(`a piece was ${opened.is}`);
  steps.push({ from, type: "data", frame: toHex(encodeFrame(frame)), piece: toHex(encodePiece(piece)) });
};

const keys = () => ({
  signer: { secret: signerKeys.secret.use(toHex), public: toHex(signerKeys.public) },
  device: { secret: deviceKeys.secret.use(toHex), public: toHex(deviceKeys.public) },
});

const pairing = () => {
  const { steps, chance, sessions, hash, theirs } = met("pair");
  const [nonce, challenge] = [chance.signer.random(32), chance.device.random(32)];
  const commitment = commitmentOf(hash, nonce);
  said(steps, sessions, "signer", { kind: "commit", commitment });
  said(steps, sessions, "device", { kind: "challenge", nonce: challenge });
  said(steps, sessions, "signer", { kind: "reveal", nonce });
  said(steps, sessions, "signer", { kind: "verdict", isSame: true });
  said(steps, sessions, "device", { kind: "verdict", isSame: true });
  return {
    keys: keys(),
    random: { signer: chance.signer.taken, device: chance.device.taken },
    steps,
    hash: toHex(hash),
    learnt: toHex(theirs),
    commitment: toHex(commitment),
    code: codeOf(hash, nonce, challenge),
  };
};

/** Two pieces long, and a bit. */
export const longRequest = filled(0xa5, 8_200);

const session = () => {
  const { steps, chance, sessions, hash } = met("session");
  const message = (from: Step["from"], kind: PartPiece["kind"], id: number, bytes: Uint8Array): void => {
    const pieces = piecesOf(kind, id, bytes);
    for (let piece = pieces(); piece !== undefined; piece = pieces()) said(steps, sessions, from, piece);
  };
  message("signer", "request", 1, Uint8Array.of(0xc0, 0xde));
  message("device", "answer", 1, sha(Uint8Array.of(0xc0, 0xde)));
  message("signer", "request", 2, longRequest);
  message("device", "answer", 2, new Uint8Array(0));
  message("signer", "request", 3, Uint8Array.of(3));
  said(steps, sessions, "device", { kind: "keepalive", id: 3, waits: "work" });
  said(steps, sessions, "device", { kind: "keepalive", id: 3, waits: "person" });
  said(steps, sessions, "signer", { kind: "cancel", id: 3 });
  said(steps, sessions, "device", { kind: "failed", id: 3, why: "cancelled" });
  said(steps, sessions, "signer", { kind: "close" });
  const rekeyed = cipherState(new Secret(filled(0x42)));
  rekeyed.rekey();
  return {
    keys: keys(),
    random: { signer: chance.signer.taken, device: chance.device.taken },
    steps,
    hash: toHex(hash),
    rekey: {
      note: "ChaChaPoly with nonce 0 and no associated data, under the key, and under the key after one rekey",
      key: toHex(filled(0x42)),
      plain: "00",
      before: toHex(cipherState(new Secret(filled(0x42))).seal(Uint8Array.of(0))),
      after: toHex(rekeyed.seal(Uint8Array.of(0))),
    },
  };
};

const frames = () => {
  const some: readonly Frame[] = [
    { channel: broadcast, type: "init", sequence: 0, payload: filled(1, 27) },
    { channel: 0x0102_0304, type: "data", sequence: 7, payload: Uint8Array.of(0, 0xff, 0) },
    { channel: 0x0102_0304, type: "data", sequence: 0xffff_fffe, payload: filled(0x33, 300) },
    { channel: 0x0000_0001, type: "error", sequence: 0, payload: filled(0, 9) },
    { channel: 0x0000_0001, type: "handshake", sequence: 1, payload: new Uint8Array(0) },
  ];
  return some.map((frame) => ({
    channel: frame.channel,
    type: frame.type,
    sequence: frame.sequence,
    payload: toHex(frame.payload),
    frame: toHex(encodeFrame(frame)),
    serial: carriers.serial.encode(frame).map(toHex),
    hid: carriers.hid.encode(frame).map(toHex),
    // Before an init: 4,113 zeros.
    bulk: toHex(carriers.bulk.encode(frame).at(-1) as Uint8Array),
  }));
};

const made = "test/contract/link-transcripts.ts; nothing here is anybody's secret";

export const transcripts = (): Readonly<Record<"frames" | "pairing" | "session", unknown>> => ({
  frames: { made, frames: frames() },
  pairing: { made, ...pairing() },
  session: { made, ...session() },
});
