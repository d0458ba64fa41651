import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type BitcoindOptions, bitcoind } from "../../chain/bitcoind.ts";
import { electrum } from "../../chain/electrum.ts";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { type BitcoindFaceOptions, serveBitcoind } from "../../chain/embedded/faces/bitcoind.ts";
import { type ElectrumFaceOptions, serveElectrum } from "../../chain/embedded/faces/electrum.ts";
import { serveEsplora } from "../../chain/embedded/faces/esplora.ts";
import { esplora } from "../../chain/esplora.ts";
import { SourceError } from "../../chain/source.ts";
import { Secret } from "../../protocol/secret.ts";
import { first, made, shore, subsidy } from "../unit/chain-embedded.kit.ts";
import { chainSourceContract, type Opened } from "./chain-source.kit.ts";

const user = "countersign";
const password = "correct horse: battery";
const secret = (text: string): Secret => new Secret(new TextEncoder().encode(text));

const folder = mkdtempSync(join(tmpdir(), "countersign-chain-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const byBitcoind = async (
  chain: EmbeddedChain,
  face: Partial<BitcoindFaceOptions> = {},
  own: Partial<BitcoindOptions> = {},
): Promise<Opened> => {
  const served = await serveBitcoind({ chain, user, password, ...face });
  const credentials = { user, password: secret(password) };
  return { source: bitcoind({ url: served.url, credentials, ...own }), close: served.close };
};

chainSourceContract("the embedded chain", async ({ source }) => ({ source, close: async () => {} }));
chainSourceContract("bitcoind by RPC", (chain) => byBitcoind(chain));
chainSourceContract("bitcoind with blocks by REST", (chain) => byBitcoind(chain, {}, { rest: true }));
chainSourceContract("a node that is not Bitcoin Core", (chain) => byBitcoind(chain, { like: "btcd" }));
chainSourceContract("esplora", async (chain) => {
  const served = await serveEsplora({ chain });
  return { source: esplora({ url: served.url }), close: served.close };
});
const byElectrum = async (chain: EmbeddedChain, face: Partial<ElectrumFaceOptions> = {}): Promise<Opened> => {
  const served = await serveElectrum({ chain, ...face });
  return { source: electrum({ url: served.url }), close: served.close };
};
chainSourceContract("electrum", (chain) => byElectrum(chain));

describe("credentials", () => {
  test("wrong ones are said to be, and stand in no message", async () => {
    const chain = openChain();
    const credentials = { user, password: secret("hunter2") };
    const { source, close } = await byBitcoind(chain, {}, { credentials });
    const error: unknown = await source.tip().catch((thrown: unknown) => thrown);
    expect(error).toEqual(new SourceError("it refuses the credentials"));
    expect(JSON.stringify([source.name, String(error), (error as Error).stack])).not.toContain("hunter2");
    await close();
  });

  test("a cookie is read again when the node has written another", async () => {
    const chain = openChain();
    const cookie = join(folder, ".cookie");
    writeFileSync(cookie, "__cookie__:one");
    const old = await serveBitcoind({ chain, user: "__cookie__", password: "one" });
    const port = Number(new URL(old.url).port);
    const source = bitcoind({ url: old.url, credentials: { cookie } });
    expect((await source.tip()).height).toBe(0);
    await old.close();
    writeFileSync(cookie, "__cookie__:two\n");
    const fresh = await serveBitcoind({ chain, user: "__cookie__", password: "two", port });
    expect((await source.tip()).height).toBe(0);
    await source.close();
    await fresh.close();
  });

  test("a cookie that is not there is the source's trouble", async () => {
    const missing = bitcoind({ url: "http://127.0.0.1:1", credentials: { cookie: join(folder, "none") } });
    await expect(missing.tip()).rejects.toThrow("cookie file can't be read");
    const long = join(folder, "long");
    writeFileSync(long, "x".repeat(2000));
    await expect(
      bitcoind({ url: "http://127.0.0.1:1", credentials: { cookie: long } }).tip(),
    ).rejects.toThrow("cookie file can't be read");
  });

  test("have no place in an address", () => {
    for (const url of [
      "http://a:b@127.0.0.1",
      "ftp://127.0.0.1",
      "127.0.0.1:8332",
      "http://h/?key=1",
      "http://h/#x",
    ])
      expect(() => esplora({ url })).toThrow(RangeError);
    expect(esplora({ url: "https://[::1]:3000/regtest/api/" }).name).toBe("esplora at [::1]:3000");
  });
});

describe("older servers", () => {
  test("without packages are given one after the other", async () => {
    const { chain, funds } = shore();
    const parent = made({ inputs: [first(funds)], outputs: [subsidy - 1000n] });
    const child = made({ inputs: parent.outputs, outputs: [subsidy - 2000n] });
    const other = made({ inputs: funds.slice(1, 2), outputs: [subsidy - 1000n] });
    const later = made({ inputs: other.outputs, outputs: [subsidy - 2000n] });
    const one = await byBitcoind(chain, { packages: false });
    expect(await one.source.publish([parent.raw, child.raw])).toEqual({ is: "accepted" });
    const served = await serveEsplora({ chain, packages: false });
    const two = esplora({ url: served.url });
    expect(await two.publish([other.raw, later.raw])).toEqual({ is: "accepted" });
    expect(chain.pool()).toHaveLength(4);
    const third = made({ inputs: funds.slice(2, 3), outputs: [subsidy - 1000n] });
    const last = made({ inputs: third.outputs, outputs: [subsidy - 2000n] });
    const three = await byElectrum(chain, { packages: false });
    expect(await three.source.publish([third.raw, last.raw])).toEqual({ is: "accepted" });
    expect(chain.pool()).toHaveLength(6);
    await one.close();
    await served.close();
    await three.source.close();
    await three.close();
  });

  test("REST that is switched off is said to be", async () => {
    const chain = openChain();
    const { source, close } = await byBitcoind(chain, {}, { rest: true });
    await expect(source.block(new Uint8Array(32))).rejects.toThrow("no such block, or REST is switched off");
    await close();
  });
});
