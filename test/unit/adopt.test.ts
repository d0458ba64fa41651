/** Another node for a signer that is there: all of it, or nothing that counts, at each point of failure. */

import { randomBytes, X509Certificate } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AdoptNodeOptions, adopt } from "../../cli/adopt.ts";
import { type Adoption, type AdoptionPoint, addNode, bundleOf, readConfigText } from "../../cli/adoption.ts";
import { issuanceAt, issueHost, openAuthority } from "../../cli/bundle.ts";
import { createHome } from "../../cli/home.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import type { NodeId } from "../../protocol/units.ts";
import { readAudit, readRecord } from "../../signer/audit.ts";
import { pathsOf, readConfig } from "../../signer/config.ts";
import { packNode, unpackNode } from "../../signer/core/node-records.ts";
import { nodeKey } from "../../signer/core/places.ts";
import { freshNode } from "../../signer/core/state.ts";
import { type PairedDevice, readPaired } from "../../signer/device/pairing.ts";
import { openOwnStore } from "../../signer/server/own-store.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { openStore } from "../../signer/store/sqlite.ts";
import { peer } from "../scripted/peer.ts";

const words = "correct horse battery staple";
const at = 1_790_000_000_000;
const home = mkdtempSync(join(tmpdir(), "countersign-adopt-"));
const passphraseFile = join(home, "passphrase");
const original = join(home, "original");
const curve = await loadNative();
const device: PairedDevice = {
  name: "desk",
  address: "unix:/nowhere",
  key: new Uint8Array(32).fill(5),
  pairedAt: at,
};
const node: NodeId = peer("adopted", curve).id;
const about = { index: 0, id: toHex(node), device: "desk", passphrase: false };

const made = (dir: string, more: { readonly witness?: string } = {}) =>
  createHome({
    ...{ dir, network: "regtest", tier: "full", names: [], curve, restored: false, workFactor: 10 },
    listen: { host: "127.0.0.1", port: 7601 },
    dialled: { host: "127.0.0.1", port: 7601 },
    keys: { is: "sealed", seed: { style: "native", entropy: new Secret(new Uint8Array(32).fill(3)) } },
    passphrase: new Secret(new TextEncoder().encode(words)),
    ...{ now: at, ...more },
  });
beforeAll(async () => {
  writeFileSync(passphraseFile, `${words}\n`, { mode: 0o600 });
  await made(original);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

let copies = 0;
const copyOf = (from = original): string => {
  const dir = join(home, `copy-${copies++}`);
  cpSync(from, dir, { recursive: true });
  chmodSync(dir, 0o700);
  return dir;
};

/** Of all that counts: what a person, a signer or a host reads. */
const contentOf = (dir: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile() && !one.name.startsWith("store.sqlite"))
      .map((one) => join(one.parentPath, one.name))
      .map((path) => [path.slice(dir.length), readFileSync(path, "base64")]),
  );

const adding = async (dir: string, more: Partial<Adoption> = {}): Promise<string> => {
  const store = await openStore({ path: join(dir, "store.sqlite") });
  const passphrase = new Secret(new TextEncoder().encode(words));
  const authority = await openAuthority(join(dir, "certificates"), passphrase);
  const host = issueHost(authority, node, issuanceAt(at));
  const dialled = { host: "127.0.0.1", port: 7601 };
  try {
    return await addNode({
      ...{ ...readConfigText(join(dir, "countersign.toml")), dir, about, store, device, now: at },
      bundle: { dialled, node, network: "regtest", ca: authority.certificate, host },
      ...more,
    });
  } finally {
    await store.close();
  }
};

const recordIn = async (dir: string) => {
  const store = await openStore({ path: join(dir, "store.sqlite") });
  const found = (await store.load(node)).get(nodeKey(node));
  await store.close();
  return found === undefined ? undefined : unpackNode(found.bytes);
};

const errorOf = async (action: Promise<unknown>): Promise<SetupError> => {
  const error = await action.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (error instanceof SetupError) return error;
  throw new Error(`no SetupError: ${String(error)}`);
};

const points: readonly AdoptionPoint[] = [
  "bundle-written",
  "device-known",
  "bundle-placed",
  "recorded",
  "config-drafted",
];

describe("a node is added", () => {
  test("with its table below what people wrote, its host's bundle, its device and its first record", async () => {
    const dir = copyOf();
    const file = join(dir, "countersign.toml");
    const before = `${readFileSync(file, "utf8")}\n# mine\n[chain]\nsource = "host" # for now`;
    writeFileSync(file, before);
    const host = await adding(dir);
    const after = readFileSync(file, "utf8");
    expect(after.startsWith(before)).toBe(true);
    const { node: nodes, chain } = readConfig(file);
    expect(nodes).toEqual([expect.objectContaining({ index: 0 }), about]);
    expect(chain).toEqual({ source: "host" });
    expect(readPaired(dir)).toEqual([device]);
    expect(host).toBe(join(dir, `host-${about.id.slice(0, 16)}`));
    expect(JSON.parse(readFileSync(join(host, "host.json"), "utf8"))).toMatchObject({
      ...{ node: about.id, address: "127.0.0.1:7601", network: "regtest" },
    });
    const certificate = new X509Certificate(readFileSync(join(host, "host.pem")));
    expect(certificate.subjectAltName).toBe(`URI:countersign:host:${about.id}`);
    expect(certificate.verify(new X509Certificate(readFileSync(join(host, "ca.pem"))).publicKey)).toBe(true);
    expect(readFileSync(join(host, "ca.pem"))).toEqual(readFileSync(join(dir, "certificates/ca.pem")));
    // Ids that an earlier store of these keys may have given out are not given out again.
    expect((await recordIn(dir))?.nextChannel).toBe(BigInt(at / 1000));
    const audit = readAudit(join(dir, "store.sqlite"));
    const [last] = [...audit.rows()].map(({ bytes }) => readRecord(bytes)).slice(-1);
    audit.close();
    expect(last).toMatchObject({
      kind: "admin",
      detail: `node ${about.id} was adopted: keys on the device desk`,
    });
  });

  test.each(points)("or nothing is, where it fails at %s; and then it can be", async (point) => {
    const dir = copyOf();
    const before = contentOf(dir);
    const failing = adding(dir, {
      at: (here) => {
        if (here === point) throw new Error("the disk is full");
      },
    });
    await expect(failing).rejects.toThrow("the disk is full");
    expect(contentOf(dir)).toEqual(before);
    await adding(dir);
    expect(readConfig(join(dir, "countersign.toml")).node).toHaveLength(2);
  });

  test.each(points)(
    "and where the power goes at %s, the signer is what it was, and the node can be added",
    async (point) => {
      const dir = copyOf();
      const cut = join(home, `cut-${point}`);
      await adding(dir, { at: (here) => here === point && cpSync(dir, cut, { recursive: true }) });
      chmodSync(cut, 0o700);
      const file = join(cut, "countersign.toml");
      expect(readFileSync(file, "utf8")).toBe(readFileSync(join(original, "countersign.toml"), "utf8"));
      if (existsSync(bundleOf(cut, about))) {
        const { message, remedy } = await errorOf(adding(cut));
        expect(message).toContain(basename(bundleOf(cut, about)));
        expect(remedy).toContain("interrupted");
        rmSync(bundleOf(cut, about), { recursive: true });
      }
      await adding(cut);
      expect(readConfig(file).node).toHaveLength(2);
      expect(readPaired(cut)).toEqual([device]);
    },
  );

  test("once it is in the configuration nothing takes it back", async () => {
    const dir = copyOf();
    const late = adding(dir, {
      at: (here) => {
        if (here === "config-placed") throw new Error("too late");
      },
    });
    await expect(late).rejects.toThrow("too late");
    expect(readConfig(join(dir, "countersign.toml")).node).toHaveLength(2);
    expect(existsSync(bundleOf(dir, about))).toBe(true);
    expect(readPaired(dir)).toEqual([device]);
  });

  test("and what an earlier life of it signed is kept", async () => {
    const dir = copyOf();
    const store = await openStore({ path: join(dir, "store.sqlite") });
    const nextChannel = 7n as (typeof freshNode)["nextChannel"];
    const bytes = packNode({ ...freshNode, nextChannel });
    await store.commit({ epoch: store.epoch, writes: [{ key: nodeKey(node), was: 0, bytes }], audit: [] });
    await store.close();
    await adding(dir);
    expect((await recordIn(dir))?.nextChannel).toBe(7n);
  });

  test("and what a person wrote into the configuration meanwhile is not lost", async () => {
    const dir = copyOf();
    const file = join(dir, "countersign.toml");
    const theirs = `${readFileSync(file, "utf8")}# theirs\n`;
    const at = (here: AdoptionPoint) => {
      if (here === "config-drafted") writeFileSync(file, theirs);
    };
    expect((await errorOf(adding(dir, { at }))).message).toContain("was changed meanwhile");
    expect(readFileSync(file, "utf8")).toBe(theirs);
    expect(existsSync(bundleOf(dir, about))).toBe(false);
  });

  test("not to a configuration that has its nodes in another form", async () => {
    const dir = copyOf();
    const file = join(dir, "countersign.toml");
    const [only] = readConfig(file).node;
    const inline = `schema = 1\nnetwork = "regtest"\ntier = "full"\nnode = [{ index = 0, id = "${only?.id}" }]\n`;
    writeFileSync(file, inline);
    expect((await errorOf(adding(dir))).message).toContain("is not TOML");
    expect(readFileSync(file, "utf8")).toBe(inline);
    expect(existsSync(bundleOf(dir, about))).toBe(false);
  });
});

describe("countersign adopt", () => {
  const world = { tell: () => {}, now: () => at };
  const run = (dir: string, options: Partial<AdoptNodeOptions> = { index: true }) =>
    adopt({ dir, passphraseFile, ...options }, world);

  test("gives the seed's next node, and then the one that is named", async () => {
    const dir = copyOf();
    const next = await run(dir);
    expect(next).toMatchObject({
      dir,
      index: 1,
      network: "regtest",
      tier: "full",
      address: "127.0.0.1:7601",
    });
    expect(await run(dir, { index: "7" })).toMatchObject({ index: 7 });
    const nodes = readConfig(join(dir, "countersign.toml")).node;
    expect(nodes.map(({ index }) => index)).toEqual([0, 1, 7]);
    expect(nodes[1]?.id).toBe(next.node);
    expect(new Set(nodes.map(({ id }) => id)).size).toBe(3);
  });

  test("takes the witness of the store along, and adds nothing to a store that was put back", async () => {
    const dir = join(home, "witnessed");
    const store = join(dir, "store.sqlite");
    await made(dir, { witness: join(home, "witness") });
    const older = readFileSync(store);
    await run(dir);
    const file = join(dir, "countersign.toml");
    const log = { write: () => {}, close: () => {} };
    const opened = await openOwnStore({ paths: pathsOf(readConfig(file), file), file, log });
    await opened.close();
    writeFileSync(store, older);
    const before = contentOf(dir);
    expect((await errorOf(run(dir))).remedy).toContain("countersign witness accept");
    expect(contentOf(dir)).toEqual(before);
  });

  test("asks nothing while a signer has the store", async () => {
    const dir = copyOf();
    const before = contentOf(dir);
    const store = await openStore({ path: join(dir, "store.sqlite") });
    const error = await errorOf(run(dir));
    await store.close();
    expect(error.problem).toBe("unavailable");
    expect(error.remedy).toBe("A node is added while the signer does not run.");
    expect(contentOf(dir)).toEqual(before);
  });

  test.each<[Partial<AdoptNodeOptions>, string]>([
    [{}, "say where the keys are"],
    [{ index: "0" }, "the signer has node 0 of its seed already"],
    [{ index: "-1" }, "--index -1: not a number"],
    [{ index: "1e3" }, "--index 1e3: not a number"],
    [{ index: "1073741824" }, "not a number from 0 to 1073741823"],
    [{ index: true, deviceName: "desk" }, "belong to --device"],
    [{ device: "unix:/x", codeOnStdin: true, passphraseFile: "-" }, "cannot both come from the input"],
    [{ index: true, name: "elsewhere.example" }, "the signer's certificate is not for elsewhere.example"],
  ])("is refused with %j", async (options, told) => {
    const dir = copyOf();
    const before = contentOf(dir);
    expect((await errorOf(run(dir, options))).message).toContain(told);
    expect(contentOf(dir)).toEqual(before);
  });

  test("is refused with another passphrase, and leaves nothing", async () => {
    const dir = copyOf();
    const before = contentOf(dir);
    const wrong = join(home, `wrong-${randomBytes(4).toString("hex")}`);
    writeFileSync(wrong, "another one altogether\n", { mode: 0o600 });
    expect((await errorOf(run(dir, { index: true, passphraseFile: wrong }))).problem).toBe("passphrase");
    expect(contentOf(dir)).toEqual(before);
  });

  test("is refused where every key is on a device, and for an address that is every one", async () => {
    const dir = copyOf();
    await adding(dir);
    const file = join(dir, "countersign.toml");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace(/^\[\[node\]\][^[]*/m, ""));
    expect(readConfig(file).node).toEqual([about]);
    expect((await errorOf(run(dir))).message).toContain("no sealed seed");
    writeFileSync(file, text.replace(/^listen = .*$/m, 'listen = "0.0.0.0:7601"'));
    expect((await errorOf(run(dir))).message).toContain("no host can dial that");
    // With the name that is in the certificate it is well.
    expect(await run(dir, { index: true, name: "localhost" })).toMatchObject({ address: "localhost:7601" });
  });
});
