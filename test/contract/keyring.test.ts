import { describe, expect, test, vi } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import { loadNative, nobleCurve } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId, commitmentNumber } from "../../protocol/units.ts";
import { type Style, styles } from "../../signer/keys/seed.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { durable } from "../durable.ts";
import { digestOf, jobs, keyringContract } from "./keyring.ts";

const native = await loadNative();
const noble = nobleCurve();
const newSeed = () => new Secret(fromHex("5a".repeat(64)));

const isZero = (secret: Secret): boolean => secret.use((bytes) => bytes.every((byte) => byte === 0));

const peer = noble.publicKey(new Secret(digestOf(99)));

const opened = (
  curve: typeof native,
  nodeIndex = 0,
  network: "bitcoin" | "regtest" = "bitcoin",
  style: Style = "native",
) => softwareKeyring({ seed: newSeed(), style, network, nodeIndex, curve, peerOf: () => peer });

for (const style of styles)
  for (const curve of [native, noble])
    keyringContract(
      `software, ${style}, ${curve.name}`,
      async () => {
        const keyring = opened(curve, 0, "bitcoin", style);
        return { keyring, close: () => keyring.close() };
      },
      { closing: style === "ldk" ? "node" : "channel" },
    );

describe("keyring: software", () => {
  test.each(styles)("both backends give the same bytes for every job: style %s", async (style) => {
    const [a, b] = [opened(native, 0, "bitcoin", style), opened(noble, 0, "bitcoin", style)];
    expect(a.node).toEqual(b.node);
    for (const job of jobs) expect(await a.sign(durable(job))).toEqual(await b.sign(durable(job)));
    for (const id of [1n, (1n << 63n) - 1n].map(channelId)) {
      expect(await a.basepoints(id)).toEqual(await b.basepoints(id));
      expect(await a.closingScript(id)).toEqual(await b.closingScript(id));
    }
    const tweak = Uint8Array.of(7);
    expect(await a.payerKey(tweak)).toEqual(await b.payerKey(tweak));
    expect(await a.ecdh(await a.payerKey(tweak))).toEqual(await b.ecdh(await b.payerKey(tweak)));
    expect(await a.identity()).toEqual(await b.identity());
  });

  test("nodes and networks share no key", async () => {
    const rings = [opened(native), opened(native, 1), opened(native, 0, "regtest")];
    const id = channelId(1n);
    const seen = new Set<string>();
    for (const ring of rings) {
      const points = [ring.node, ...Object.values(await ring.basepoints(id))];
      for (const bytes of [...points, await ring.closingScript(id)]) seen.add(bytes.toString());
    }
    expect(seen.size).toBe(3 * 7);
  });

  test("answers nothing once it is closed, and leaves the caller's seed alone", async () => {
    const seed = newSeed();
    const keyring = softwareKeyring({
      seed,
      style: "native",
      network: "bitcoin",
      nodeIndex: 0,
      curve: native,
    });
    const id = channelId(1n);
    await keyring.basepoints(id);
    keyring.close();
    await expect(keyring.basepoints(id)).rejects.toThrow("closed");
    await expect(keyring.points(id, [])).rejects.toThrow("closed");
    await expect(keyring.closingScript(id)).rejects.toThrow("closed");
    await expect(keyring.identity()).rejects.toThrow("closed");
    await expect(keyring.ecdh(keyring.node)).rejects.toThrow("closed");
    await expect(keyring.payerKey(new Uint8Array(0))).rejects.toThrow("closed");
    await expect(keyring.random(1)).rejects.toThrow("closed");
    for (const job of jobs) await expect(keyring.sign(durable(job))).rejects.toThrow("closed");
    expect(seed.use((bytes) => bytes.every((byte) => byte === 0x5a))).toBe(true);
  });

  test.each(styles)("wipes each secret that a job made: style %s", async (style) => {
    const made: Secret[] = [];
    const watching = {
      ...native,
      sign: (job: Parameters<typeof native.sign>[0]) => {
        made.push(job.key);
        return native.sign(job);
      },
      signBatch: (batch: Parameters<typeof native.signBatch>[0]) => {
        made.push(...batch.map(({ key }) => key));
        return native.signBatch(batch);
      },
      signRecoverable: (job: Parameters<typeof native.signRecoverable>[0]) => {
        made.push(job.key);
        return native.signRecoverable(job);
      },
      signSchnorr: (job: Parameters<typeof native.signSchnorr>[0]) => {
        made.push(job.key);
        return native.signSchnorr(job);
      },
      ecdh: (secret: Secret, point: Parameters<typeof native.ecdh>[1]) => {
        const shared = native.ecdh(secret, point);
        made.push(secret, shared);
        return shared;
      },
      addSecret: (secret: Secret, tweak: Uint8Array) => {
        const sum = native.addSecret(secret, tweak);
        made.push(sum);
        return sum;
      },
      publicKey: (secret: Secret) => {
        made.push(secret);
        return native.publicKey(secret);
      },
    };
    const keyring = opened(watching, 0, "bitcoin", style);
    for (const job of jobs) await keyring.sign(durable(job));
    await keyring.basepoints(channelId(2n));
    await keyring.points(channelId(2n), [commitmentNumber(0n), commitmentNumber(9n)]);
    await keyring.ecdh(await keyring.payerKey(Uint8Array.of(7)));
    await keyring.identity();
    expect(made.length).toBeGreaterThan(14);
    // The other styles keep the roots of their channel keys until they are closed.
    if (style !== "native") keyring.close();
    expect(made.every(isZero)).toBe(true);
    keyring.close();
  });

  test("wipes its seed when it is closed, and keeps no other secret", () => {
    const wiped = vi.spyOn(Secret.prototype, "wipe");
    try {
      const keyring = opened(native);
      const before = wiped.mock.contexts.length;
      keyring.close();
      const last = wiped.mock.contexts.slice(before) as Secret[];
      expect(last.map((secret) => secret.use(({ length }) => length))).toEqual([64]);
      expect(last.every(isZero)).toBe(true);
    } finally {
      wiped.mockRestore();
    }
  });
});
