import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { serveBitcoind } from "../../chain/embedded/faces/bitcoind.ts";
import { openSource, sourceSettings } from "../../chain/open.ts";
import { createAuthority } from "../../signer/certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "countersign-open-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const url = "http://127.0.0.1:8332";
const bitcoind = { kind: "bitcoind", url };

test.each([
  [{ ...bitcoind, cookie: "/c" }],
  [{ ...bitcoind, user: "u", passwordFile: "/p", rest: true }],
  [{ kind: "esplora", url: "https://blockstream.info/api" }],
  [{ kind: "electrum", url: "tcp://127.0.0.1:50001" }],
  [{ kind: "electrum", url: "ssl://[::1]:50002", certificate: "/c.pem" }],
])("%o is taken", (settings) => {
  expect(sourceSettings.parse(settings)).toEqual(settings);
});

test.each([
  [{ ...bitcoind }, "either cookie, or user and passwordFile"],
  [{ ...bitcoind, cookie: "/c", user: "u", passwordFile: "/p" }, "either cookie"],
  [{ ...bitcoind, user: "u" }, "belong together"],
  [{ ...bitcoind, cookie: "/c", passwordFile: "/p" }, "belong together"],
  [{ ...bitcoind, cookie: "/c", password: "hunter2" }, "password"],
  [{ ...bitcoind, cookie: "" }, "cookie"],
  [{ kind: "esplora", url: "http://u:p@host" }, "no user, password or query"],
  [{ kind: "esplora", url: "http://host/?key=1" }, "no user, password or query"],
  [{ kind: "esplora", url: "ftp://host" }, "not an address"],
  [{ kind: "esplora", url, rest: true }, "rest"],
  [{ kind: "electrs", url }, "kind"],
  [{ kind: "electrum", url }, "not an address"],
  [{ kind: "electrum", url: "ssl://host" }, "not an address"],
  [{ kind: "electrum", url: "ssl://u:p@host:50002" }, "not an address"],
  [{ kind: "electrum", url: "ssl://host:50002/path" }, "not an address"],
  [{ kind: "electrum", url: "ssl://host:65536" }, "not an address"],
  [{ kind: "electrum", url: "tcp://host:50001", certificate: "/c.pem" }, "belongs to an address with ssl://"],
])("%o is refused", (settings, reason) => {
  const parsed = sourceSettings.safeParse(settings);
  expect(JSON.stringify(parsed.error?.issues)).toContain(reason);
});

test("a password is read without the end of its line, from a file that nobody else may read", async () => {
  const chain = openChain();
  const served = await serveBitcoind({ chain, user: "u", password: "pass word" });
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, "pass word\r\n", { mode: 0o600 });
  const settings = sourceSettings.parse({ ...bitcoind, url: served.url, user: "u", passwordFile });
  const source = await openSource(settings);
  expect(await source.tip()).toEqual(chain.tip());
  await source.close();
  await served.close();
  chmodSync(passwordFile, 0o640);
  await expect(openSource(settings)).rejects.toThrow("open to other users");
  writeFileSync(passwordFile, "\n");
  chmodSync(passwordFile, 0o600);
  await expect(openSource(settings)).rejects.toThrow("is empty");
  writeFileSync(passwordFile, "x".repeat(1001));
  await expect(openSource(settings)).rejects.toThrow("too long");
});

test("a certificate is read, and what is none is told", async () => {
  const settings = { kind: "electrum", url: "ssl://host:50002", certificate: join(folder, "pem") } as const;
  await expect(openSource(settings)).rejects.toThrow("ENOENT");
  writeFileSync(settings.certificate, "-----BEGIN CERTIFICATE-----\n");
  await expect(openSource(settings)).rejects.toThrow("has no certificate in PEM");
  writeFileSync(settings.certificate, "x".repeat(100_001));
  await expect(openSource(settings)).rejects.toThrow("too long");
  const identity = createAuthority("server", { now: Date.now(), days: 3, random: randomBytes });
  writeFileSync(settings.certificate, `a key beside it\n${identity.certificate}`);
  const source = await openSource(settings);
  expect(source.name).toBe("electrum at host:50002");
  await source.close();
});

test("the address of an index is where it is asked", async () => {
  expect((await openSource({ kind: "esplora", url: "https://host:3000/api" })).name).toBe(
    "esplora at host:3000",
  );
});
