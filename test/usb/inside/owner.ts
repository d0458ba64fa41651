/**
 * Who owns a device with the real core: a whole signer that reaches it over a cable of choice, and a twin that has the same words in
 * software. Whatever the device's keys answer, the twin's must have answered.
 */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { toHex } from "../../../protocol/bytes.ts";
import { type LinkTimes, openLink } from "../../../protocol/link.ts";
import type { Name, Reply, Request } from "../../../protocol/operations/index.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import { Secret } from "../../../protocol/secret.ts";
import type { OpenedLink } from "../../../protocol/wire/links/open.ts";
import type { Absence } from "../../../signer/device/away.ts";
import { openDeviceKeyring } from "../../../signer/device/keyring.ts";
import { openShelf } from "../../../signer/device/shelf.ts";
import { seedOf, wordsOf } from "../../../signer/keys/seed.ts";
import { softwareKeyring } from "../../../signer/keys/software.ts";
import { grouped } from "../../../signer/store/grouped.ts";
import { memoryDisk } from "../../../signer/store/memory.ts";
import { curve, plainTime, type Rig, rig } from "../../scripted/road.ts";
import { type Device, type Kind, newSigner, openNow, pairOver, ports, times, withLink } from "./bus.ts";
import { done } from "./links.ts";

/** A signer that is running. */
export interface Running {
  readonly rig: Rig;
  state(): Absence | "open";
  /** How its way to the device went, in order. */
  readonly told: readonly string[];
  /** Compared with the twin's. A refusal for the moment is asked again, and not for ever. */
  call<N extends Name>(name: N, body: Request<N>): Promise<Reply<N>>;
  /** Once, and the device alone. */
  refusal<N extends Name>(name: N, body: Request<N>): Promise<Refusal>;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly open: () => Promise<OpenedLink>;
  /** By which it knows the device. */
  readonly key?: Uint8Array;
  readonly patienceMs?: number;
  /** Of the link. */
  readonly linkTimes?: Partial<LinkTimes>;
}

export interface Owner {
  readonly device: Device;
  readonly pair: (kind: Kind, device: Device) => Promise<Uint8Array>;
  start(options: StartOptions): Promise<Running>;
  /** As usual: by its serial number. */
  over(kind: Kind): Promise<Running>;
}

const pin = "2468";

/** Text of what may be anything. */
const shown = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    typeof one === "bigint" ? `${one}` : one instanceof Uint8Array ? toHex(one) : one,
  );

/** Pairs the device, and enters the words on it. */
export const ownerOf = async (kind: Kind, device: Device): Promise<Owner> => {
  const identity = newSigner();
  const entropy = new Secret(Uint8Array.from(randomBytes(32)));
  await pairOver(kind, device, identity);
  const script = [`pin ${pin}`, `new-pin ${pin}`, `words ${wordsOf(entropy).join(" ")}`, "consent all"];
  for (const line of [...script, "person on"]) await device.step(line);
  await withLink(kind, device, identity, async ({ manage }) => {
    assert.deepEqual(await manage({ is: "restore" }), done);
  });

  const keys = () =>
    softwareKeyring({ seed: seedOf(entropy), network: "regtest", nodeIndex: 0, curve, style: "native" });
  const twin = await rig({ watch: keys, proposes: false });
  const { node } = twin.session;
  const [own, shelf] = [memoryDisk(), memoryDisk()];
  let commits = 0;

  const start = async ({
    open,
    key = device.key,
    patienceMs = 60_000,
    linkTimes = {},
  }: StartOptions): Promise<Running> => {
    const [told, reported]: [string[], unknown[]] = [[], []];
    const keyring = openDeviceKeyring({
      name: device.serialNumber,
      node,
      network: "regtest",
      tier: "full",
      index: 0,
      passphrase: false,
      connect: async () =>
        openLink({
          ...(await open()),
          identity,
          device: key,
          ports,
          times: { ...times, greetMs: 3_000, ...linkTimes },
        }),
      shelf: await openShelf(grouped(shelf.open()), key),
      now: () => plainTime,
      witness: () => commits,
      onState: (state, what) => void told.push(`${state} ${what}`.trim()),
      report: (error) => void reported.push(error),
      times: { patienceMs, retryMs: 50 },
    });
    const signer = await rig({
      disk: own,
      watch: () => keyring,
      wrap: (store) => ({
        ...store,
        commit: async (group) => {
          const result = await store.commit(group);
          commits += 1;
          return result;
        },
      }),
      proposes: false,
      second: true,
    });
    const call = async <N extends Name>(name: N, body: Request<N>): Promise<Reply<N>> => {
      for (let tries = 1; ; tries++) {
        const outcome = await signer.outcome(name, body);
        if (outcome.is === "reply") {
          assert.deepEqual(outcome.reply, await twin.call(name, body), name);
          return outcome.reply;
        }
        const isForNow = outcome.is === "refusal" && !outcome.refusal.final && tries < 3;
        assert.ok(
          isForNow,
          `${name}: ${shown(outcome)} ${told.join("; ")} ${[...signer.faults, ...reported].map(String)}`,
        );
        process.stdout.write(`        ${name} once more: ${shown(outcome)}\n`);
      }
    };
    return {
      rig: { ...signer, call },
      state: keyring.state,
      told,
      call,
      refusal: signer.refusal,
      close: async () => {
        await keyring.close();
        assert.deepEqual([...signer.faults, ...reported], []);
      },
    };
  };
  return {
    device,
    pair: (way, other) => pairOver(way, other, identity),
    start,
    over: (way) => start({ open: () => openNow(way, device.serialNumber) }),
  };
};
