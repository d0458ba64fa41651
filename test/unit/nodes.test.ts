/** Several nodes in one signer: how a command names one of them, and what breaks with which. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addNode, readConfigText } from "../../cli/adoption.ts";
import { issuanceAt, issueHost, openAuthority } from "../../cli/bundle.ts";
import { freePort } from "../../cli/demo/signer.ts";
import { createHome } from "../../cli/home.ts";
import { nodeIn, nodesText } from "../../cli/nodes.ts";
import { keysOf } from "../../cli/status.ts";
import { readBundle } from "../../host/index.ts";
import { concat, toHex } from "../../protocol/bytes.ts";
import { carriers } from "../../protocol/carrier/index.ts";
import { unknown } from "../../protocol/codec.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import {
  type CoreAnswer,
  decodeCoreRequest,
  encodeCoreAnswer,
  mostOffered,
} from "../../protocol/device/core.ts";
import { encodeDeviceAnswer, forCore, forDevice, messagesVersion } from "../../protocol/device/requests.ts";
import { answerLink, freshKeyPair } from "../../protocol/link.ts";
import { Secret } from "../../protocol/secret.ts";
import { connect } from "../../protocol/wire/client.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import { listenSocket } from "../../protocol/wire/links/socket.ts";
import { presetPolicy } from "../../signer/core/policy/presets.ts";
import { linkIdentity } from "../../signer/device/pairing.ts";
import { linkPorts } from "../../signer/device/ports.ts";
import type { Line } from "../../signer/log.ts";
import { type Running, startSigner } from "../../signer/server/start.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { openStore } from "../../signer/store/sqlite.ts";
import { peer } from "../scripted/peer.ts";

describe("a node is named", () => {
  const id = (first: string): string => first.padEnd(66, "0");
  const nodes = [
    { id: id("02ab1"), index: 0 },
    { id: id("02ab2"), index: 7 },
    { id: id("03cd"), index: 0, device: "desk" },
    { id: id("03ce"), index: 0, device: "7" },
    { id: id("03cf"), index: 0, device: "02ab" },
  ] as const;
  const refused = (among: Parameters<typeof nodeIn>[0], named?: string): SetupError => {
    try {
      nodeIn(among, named);
    } catch (error) {
      if (error instanceof SetupError) return error;
      throw error;
    }
    throw new Error("one was found");
  };

  test.each([
    ["0", 0],
    ["02ab1", 0],
    [id("02ab2"), 1],
    ["desk", 2],
    ["03cd", 2],
    // What a device is called comes first: nothing else calls it so.
    ["7", 3],
    ["02ab", 4],
  ] as const)("as %s", (named, at) => expect(nodeIn(nodes, named)).toBe(nodes[at]));

  test("not at all where there is one, and with a list of them where there are several", () => {
    expect(nodeIn(nodes.slice(0, 1), undefined)).toBe(nodes[0]);
    const { problem, message, remedy } = refused(nodes);
    expect([problem, message]).toEqual(["usage", "this signer has 5 nodes"]);
    expect(remedy).toContain(nodesText(nodes));
    expect(nodesText(nodes).split("\n")[2]).toBe(`${id("03cd")}  keys on the device desk`);
    expect(nodes.slice(1, 3).map((one) => keysOf(one))).toEqual([
      { is: "sealed", index: 7 },
      { is: "device", device: "desk" },
    ]);
  });

  test.each(["02a", "03"])("not by %s, with which several begin", (named) => {
    const { message, remedy } = refused(nodes, named);
    expect(message).toMatch(/^[23] nodes begin with /);
    expect(remedy).not.toContain(named === "03" ? "02ab1" : "03cd");
  });

  test.each(["", "1", "0 ", "desk2", "04", "0x02ab1", "ab1"])("not by %j", (named) => {
    expect(refused(nodes, named).message).toBe(`no node is called ${named}`);
  });
});

describe("a device that breaks its word", () => {
  const home = mkdtempSync(join(tmpdir(), "countersign-nonsense-"));
  const dir = join(home, "signer");
  const socket = join(home, "device.sock");
  const file = join(dir, "countersign.toml");
  const ports = linkPorts;
  const key = freshKeyPair(ports);
  const words = () => new Secret(new TextEncoder().encode("correct horse battery staple"));
  const lines: Line[] = [];
  let says: (request: ReturnType<typeof decodeCoreRequest>) => Uint8Array;
  let running: Running;
  let closeDevice: () => Promise<unknown>;
  let [sealed, onDevice]: [Connection?, Connection?] = [];
  let nodes: readonly ReturnType<typeof readBundle>["node"][];

  const core = (answer: CoreAnswer): Uint8Array => concat(Uint8Array.of(forCore), encodeCoreAnswer(answer));
  const info = concat(
    Uint8Array.of(forDevice),
    encodeDeviceAnswer({
      is: "info",
      info: {
        ...{ messages: messagesVersion, firmware: "nonsense", stage: "unlocked", isVerified: true },
        ...{ attemptsLeft: 10, waitMs: 0, counter: 0n, root: new Uint8Array(32), fingerprint: unknown },
      },
    }),
  );

  beforeAll(async () => {
    const curve = await loadNative();
    const here = { host: "127.0.0.1", port: await freePort() };
    const made = await createHome({
      ...{
        dir,
        network: "regtest",
        tier: "full",
        listen: here,
        dialled: here,
        names: [],
        curve,
        workFactor: 10,
      },
      keys: { is: "sealed", seed: { style: "native", entropy: new Secret(new Uint8Array(32).fill(3)) } },
      ...{ restored: false, passphrase: words(), now: Date.now() },
    });
    const { id: node } = peer("device", curve);
    const store = await openStore({ path: join(dir, "store.sqlite") });
    const authority = await openAuthority(join(dir, "certificates"), words());
    const host = issueHost(authority, node, issuanceAt(Date.now()));
    const added = await addNode({
      ...{ ...readConfigText(file), dir, store, now: Date.now() },
      about: { index: 0, id: toHex(node), device: "nonsense", policy: { maxChannelValue: 123_456 } },
      bundle: { dialled: here, node, network: "regtest", ca: authority.certificate, host },
      device: { name: "nonsense", address: `unix:${socket}`, key: key.public, pairedAt: 0 },
    });
    await store.close();
    const identity = linkIdentity(dir);
    const listener = await listenSocket({
      path: socket,
      onTransport: (transport) => {
        answerLink({
          ...{ transport, carrier: carriers.bulk, ports, identity: key, signers: () => [identity.public] },
          answer: async (bytes) => {
            if (bytes[0] === forDevice) return info;
            const request = decodeCoreRequest(bytes.subarray(1));
            return request.is === "open"
              ? core({ is: "opened", node, step: 0n, witness: 0n, isOpen: true })
              : says(request);
          },
          onFault: () => {},
        });
      },
    });
    closeDevice = () => listener.close();
    running = await startSigner({
      ...{ config: readConfigText(file).config, file, passphrase: words(), version: "test" },
      log: { write: (line) => void lines.push(line), close: () => {} },
      deviceTimes: { patienceMs: 2_000, retryMs: 20 },
    });
    const bundles = [made.host, added].map(readBundle);
    nodes = bundles.map((one) => one.node);
    [sealed, onDevice] = await Promise.all(bundles.map(connect));
  });
  afterAll(async () => {
    await Promise.all([sealed?.close(), onDevice?.close()]);
    await running?.stop("end");
    await closeDevice?.();
    rmSync(home, { recursive: true, force: true });
  });

  test("each node has the limits that stand for it, and on a device no more than it has room for", async () => {
    const bounds = await Promise.all(
      [sealed, onDevice].map(async (connection, n) => {
        const node = nodes[n];
        if (node === undefined || connection === undefined) throw new Error("two nodes");
        const body = { node, network: "regtest", version: 1, software: "test" } as const;
        const outcome = await connection.unary("hello", body);
        if (outcome.is !== "reply") throw new Error(outcome.is);
        return outcome.reply.bounds;
      }),
    );
    const { maxChannelValue, maxOfferedHtlcs } = presetPolicy("regtest", "regtest") ?? {};
    expect(bounds).toMatchObject([
      { maxChannelValue, maxOfferedHtlcs },
      { maxChannelValue: 123_456n, maxOfferedHtlcs: mostOffered },
    ]);
  });

  test.each<[string, () => Uint8Array]>([
    ["answers something else", () => core({ is: "done" })],
    ["answers no answer", () => Uint8Array.of(forCore, 0xee, 0xee)],
    ["answers nothing", () => new Uint8Array(0)],
    ["says that it broke", () => core({ is: "fault", fault: { code: "internal", sentence: "smoke" } })],
  ])("%s: its own node is refused, and the other goes on", async (_, answer) => {
    says = answer;
    const [here, there] = [nodes[0], nodes[1]];
    if (here === undefined || there === undefined) throw new Error("two nodes");
    expect(await onDevice?.unary("randomBytes", { node: there, count: 4 })).toMatchObject({
      is: "refusal",
      refusal: { rule: "device-reachable", final: false },
    });
    expect(await sealed?.unary("randomBytes", { node: here, count: 4 })).toMatchObject({ is: "reply" });
    says = () => core({ is: "bytes", bytes: Uint8Array.of(1, 2, 3, 4) });
    expect(await onDevice?.unary("randomBytes", { node: there, count: 4 })).toMatchObject({
      is: "reply",
      reply: { bytes: Uint8Array.of(1, 2, 3, 4) },
    });
    expect(lines.filter(({ event }) => event === "fault")).toEqual([]);
    expect(lines).toContainEqual(expect.objectContaining({ event: "device-away", is: "broken" }));
    lines.length = 0;
  });
});
