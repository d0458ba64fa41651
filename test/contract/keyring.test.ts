import { describe, expect, test, vi } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import { loadNative, nobleCurve } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId, commitmentNumber } from "../../protocol/units.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { durable } from "../durable.ts";
import { jobs, keyringContract } from "./keyring.ts";

const native = await loadNative();
const noble = nobleCurve();
const newSeed = () => new Secret(fromHex("5a".repeat(64)));

const isZero = (secret: Secret): boolean => secret.use((bytes) => bytes.every((byte) => byte === 0));

const opened = (curve: typeof native, nodeIndex = 0, network: "bitcoin" | "regtest" = "bitcoin") =>
  softwareKeyring({ seed: newSeed(), style: "native", network, nodeIndex, curve });

for (const curve of [native, noble])
  keyringContract(`software, ${curve.name}`, async () => {
    const keyring = opened(curve);
    return { keyring, close: () => keyring.close() };
  });

describe("keyring: software", () => {
  test("both backends give the same bytes for every job", async () => {
    const [a, b] = [opened(native), opened(noble)];
    expect(a.node).toEqual(b.node);
    for (const job of jobs) {
      expect(await a.sign(durable(job))).toEqual(await b.sign(durable(job)));
      expect(await a.basepoints(job.channel)).toEqual(await b.basepoints(job.channel));
      expect(await a.closingScript(job.channel)).toEqual(await b.closingScript(job.channel));
    }
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
    for (const job of jobs) await expect(keyring.sign(durable(job))).rejects.toThrow("closed");
    expect(seed.use((bytes) => bytes.every((byte) => byte === 0x5a))).toBe(true);
  });

  test("wipes each secret that a job made", async () => {
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
      publicKey: (secret: Secret) => {
        made.push(secret);
        return native.publicKey(secret);
      },
    };
    const keyring = opened(watching);
    for (const job of jobs) await keyring.sign(durable(job));
    await keyring.basepoints(channelId(2n));
    await keyring.points(channelId(2n), [commitmentNumber(0n), commitmentNumber(9n)]);
    expect(made.length).toBeGreaterThan(14);
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
