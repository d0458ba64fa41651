import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { serveBitcoind } from "../../chain/embedded/faces/bitcoind.ts";
import { openSource, sourceSettings } from "../../chain/open.ts";

const folder = mkdtempSync(join(tmpdir(), "countersign-open-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const url = "http://127.0.0.1:8332";
const bitcoind = { kind: "bitcoind", url };

test.each([
  [{ ...bitcoind, cookie: "/c" }],
  [{ ...bitcoind, user: "u", passwordFile: "/p", rest: true }],
  [{ kind: "esplora", url: "https://blockstream.info/api" }],
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
  [{ kind: "electrum", url }, "kind"],
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

test("the address of an index is where it is asked", async () => {
  expect((await openSource({ kind: "esplora", url: "https://host:3000/api" })).name).toBe(
    "esplora at host:3000",
  );
});
