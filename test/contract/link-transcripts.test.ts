import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { equal, fromHex, toHex } from "../../protocol/bytes.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { decodePiece, encodePiece } from "../../protocol/link/piece.ts";
import { answerLink, openLink, pairLink } from "../../protocol/link.ts";
import { counted, deviceKeys, sha, signerKeys, worlds } from "./link.kit.ts";
import { longRequest, seeds, transcripts } from "./link-transcripts.ts";

interface Step {
  readonly from: "signer" | "device";
  readonly type: string;
  readonly frame: string;
  readonly piece?: string;
}

const kept = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/device/${name}.json`, import.meta.url), "utf8"));
const stepsOf = (name: string): readonly Step[] => kept(name).steps;

test.each(Object.entries(transcripts()))("%s: what is kept is what the code makes", (name, content) => {
  expect(kept(name)).toEqual(JSON.parse(JSON.stringify(content)));
});

test.each(["pairing", "session"])("%s: every frame and piece is in its one form", (name) => {
  const steps = stepsOf(name);
  expect(steps.length).toBeGreaterThan(8);
  for (const { frame, piece } of steps) {
    expect(toHex(encodeFrame(decodeFrame(fromHex(frame))))).toBe(frame);
    if (piece !== undefined) expect(toHex(encodePiece(decodePiece(fromHex(piece))))).toBe(piece);
  }
});

/** What two real ends say over a cable, with the keys and the chance of the transcripts. */
const overheard = async () => {
  const world = (worlds["memory, bulk"] as (typeof worlds)[string]).start();
  const pair = await world.pair();
  const heard: string[] = [];
  const tapped = (transport: typeof pair.host): typeof pair.host => ({
    ...transport,
    send: (bytes) => {
      // Zeros go before an opening; the rest is one frame each.
      if (bytes.some((byte) => byte !== 0)) heard.push(toHex(bytes));
      return transport.send(bytes);
    },
  });
  const ports = (seed: number) => ({ after: world.clock.after, random: counted(seed) });
  const common = { carrier: world.carrier, times: world.times };
  const signer = {
    ...common,
    transport: tapped(pair.host),
    identity: signerKeys,
    ports: ports(seeds.signer),
  };
  answerLink({
    ...common,
    transport: tapped(pair.device),
    identity: deviceKeys,
    signers: () => [signerKeys.public],
    answer: async (request) => (equal(request, longRequest) ? new Uint8Array(0) : sha(request)),
    pairing: { isOpen: () => true, compare: async () => true, store: async () => {} },
    capabilities: 1,
    ports: ports(seeds.device),
    onFault: (error) => heard.push(String(error)),
  });
  return { world, signer, heard };
};

describe("two ends over a cable say the same", () => {
  test("when they are paired", async () => {
    const { world, signer, heard } = await overheard();
    let shown = "";
    const device = await world.clock.run(
      pairLink({
        ...signer,
        compare: async (code) => {
          shown = code;
          return true;
        },
      }),
    );
    expect(toHex(device)).toBe(kept("pairing").learnt);
    expect(shown).toBe(kept("pairing").code);
    expect(heard).toEqual(stepsOf("pairing").map(({ frame }) => frame));
  });

  test("in a session", async () => {
    const { world, signer, heard } = await overheard();
    const link = openLink({ ...signer, device: deviceKeys.public });
    await world.clock.run(link.ask(Uint8Array.of(0xc0, 0xde)));
    await world.clock.run(link.ask(longRequest));
    const same = stepsOf("session").slice(0, 10);
    expect(heard).toEqual(same.map(({ frame }) => frame));
    expect(same.filter(({ type }) => type === "data")).toHaveLength(6);
  });
});
