/** Channels with their keys on a device of the bus, through the libraries and the kernel's own drivers. */

import { strict as assert } from "node:assert";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import type { Preimage } from "../../../protocol/units.ts";
import { add, htlcOf, keysendOf, preimageOf, remove } from "../../scripted/channel.ts";
import { verifyOf } from "../../scripted/checks.ts";
import { closeOf, closingOf } from "../../scripted/close.ts";
import type { Balances } from "../../scripted/content.ts";
import { deviceTerms } from "../../scripted/device-life.ts";
import { curve } from "../../scripted/road.ts";
import { bob, type Scene, scene } from "../../scripted/scene.ts";
import { type Bus, type Device, kinds } from "./bus.ts";
import { type Case, within } from "./harness.ts";
import { type Owner, ownerOf, type Running } from "./owner.ts";

export const channelOn = (signer: Running, label: string): Promise<Scene> =>
  scene({ signer: signer.rig, terms: deviceTerms, label });

/** Both sides, and what the counterparty would check of the signatures. */
export const advance = async (
  on: Scene,
  n: bigint,
  balances: Balances,
  preimages: readonly Preimage[] = [],
): Promise<Reply<"signCounterpartyCommitment">> => {
  const { sign } = await on.at(n, balances, preimages);
  const reply = await on.advance(n, balances, preimages);
  assert.deepEqual(verifyOf(curve, on.opened, bob, sign, reply), []);
  assert.equal(reply.htlcSignatures.length, balances.htlcs.length);
  return reply;
};

/** Nobody is there when it is asked; then somebody comes who reads what is on the screen. */
const agreedTo = async <T>(device: Device, text: string, ask: () => Promise<T>): Promise<T> => {
  await device.step("person off");
  await device.step(`consent to ${text}`);
  let isAnswered = false;
  const asked = ask().finally(() => {
    isAnswered = true;
  });
  await device.step("expect Pay");
  assert.equal(isAnswered, false);
  await device.step("person on");
  const answer = await asked;
  await device.step("consent all");
  return answer;
};

/** At the device alone: the twin's policy needs nobody. */
const proposed = async ({ rig }: Running, body: Request<"proposePayment">) => {
  const outcome = await rig.outcome("proposePayment", body);
  if (outcome.is !== "reply") throw new Error(`proposePayment: ${outcome.is}`);
  return outcome.reply;
};

export const wholeChannel = async (device: Device, signer: Running, label: string): Promise<void> => {
  const on = await channelOn(signer, label);
  const { node } = on.opened;
  const [a, b] = [`${label}, ours`, `${label}, theirs`];
  const [out, into] = [htlcOf("holder", 50_000_000n, a), htlcOf("counterparty", 20_000_000n, b)];
  await advance(on, 0n, on.start);
  await agreedTo(device, "50 000", () => signer.call("proposePayment", keysendOf(node, out)));
  const unwanted = keysendOf(node, htlcOf("holder", 51_000_000n, `${label}, none`));
  // All that is shown has another amount than what the person came for.
  const { standing } = await agreedTo(device, "50 000", () => proposed(signer, unwanted));
  assert.equal(standing, "denied");
  const held = add(on.start, out);
  await advance(on, 1n, held);
  const both = add(held, into);
  await advance(on, 2n, both);
  const paid = remove(both, out, "fulfil");
  await advance(on, 3n, paid, [preimageOf(a)]);
  const last = remove(paid, into, "fail");
  await advance(on, 4n, last);
  const close = closeOf(on.opened, last, 400n);
  assert.ok(close !== undefined);
  const { signature } = await signer.call("signClosing", close);
  const { digest } = closingOf(on.opened, close);
  assert.ok(curve.verify({ digest, signature, key: on.opened.shared.holder.funding }));
};

/** Made by whoever comes first, as each test may be the only one. */
export type Owners = readonly (() => Promise<Owner>)[];

export const ownersOn = (bus: () => Promise<Bus>): Owners =>
  ([0, 1] as const).map((at) => {
    let owner: Promise<Owner> | undefined;
    const make = async (): Promise<Owner> => {
      const device = (await bus()).devices[at];
      if (device === undefined) throw new RangeError("two devices");
      await device.plug();
      return ownerOf("hid", device);
    };
    return () => {
      owner ??= make();
      return owner;
    };
  });

export const running = async (start: Promise<Running>, use: (signer: Running) => Promise<void>) => {
  const signer = await start;
  try {
    await use(signer);
  } finally {
    await within(15_000, "the signer's end", signer.close());
  }
};

export const signingCases = ([first]: Owners): readonly Case[] => {
  if (first === undefined) throw new RangeError("one owner at least");
  return [
    {
      name: "a device is given the words of a signer (signing)",
      limit: 90_000,
      run: async () => {
        await first();
      },
    },
    ...kinds.map((kind) => ({
      name: `signing a whole channel over ${kind}: opened, paid through, closed`,
      limit: 120_000,
      run: async () => {
        const owner = await first();
        await running(owner.over(kind), (signer) => wholeChannel(owner.device, signer, kind));
      },
    })),
  ];
};
