import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import { point } from "../../protocol/units.ts";
import type { Caller } from "../../protocol/wire/caller.ts";
import { callerOf, callerOfCertificate, mayAsk, roleUri } from "../../protocol/wire/caller.ts";
import {
  createAuthority,
  type Identity,
  type Issuance,
  issueClient,
  issueServer,
  validUntil,
} from "../../signer/certificates.ts";
import { integer, oid, time } from "../../signer/der.ts";

const day = 86_400_000;
const now = Date.now();
let drawn = 0;
const random = (length: number): Uint8Array =>
  sha256(Uint8Array.of(drawn++ >> 8, drawn & 0xff)).subarray(0, length);
const issuance = (given: Partial<Issuance> = {}): Issuance => ({ now, days: 30, random, ...given });

const node = point(new Uint8Array(33).fill(2));
const host: Caller = { role: "host", node };

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

describe("DER", () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  test("integers, identifiers and times have their one form", () => {
    expect(hex(integer(Uint8Array.of(0)))).toBe("020100");
    expect(hex(integer(Uint8Array.of(0, 0, 0x7f)))).toBe("02017f");
    expect(hex(integer(Uint8Array.of(0x80)))).toBe("02020080");
    expect(hex(oid("1.2.840.113549"))).toBe("06062a864886f70d");
    expect(hex(time(Date.UTC(2049, 11, 31, 23, 59, 59)))).toBe(
      `170d${Buffer.from("491231235959Z").toString("hex")}`,
    );
    expect(hex(time(Date.UTC(2050, 0, 1)))).toBe(`180f${Buffer.from("20500101000000Z").toString("hex")}`);
  });
});

describe("certificates", () => {
  const authority = createAuthority("Countersign authority", issuance({ days: 3650 }));
  const server = issueServer(
    authority,
    ["signer.example", "192.0.2.7", "2001:db8::7", "::ffff:192.0.2.1"],
    issuance(),
  );
  const client = issueClient(authority, host, issuance());
  const read = ({ certificate }: Identity) => new X509Certificate(certificate);

  test("say whom they are for", () => {
    expect(read(server).subjectAltName?.split(", ")).toEqual([
      "DNS:localhost",
      "IP Address:127.0.0.1",
      "IP Address:0:0:0:0:0:0:0:1",
      "DNS:signer.example",
      "IP Address:192.0.2.7",
      "IP Address:2001:DB8:0:0:0:0:0:7",
      "IP Address:0:0:0:0:0:FFFF:C000:201",
    ]);
    expect(read(client).subjectAltName).toBe(`URI:${roleUri(host)}`);
    expect(read(issueClient(authority, { role: "admin" }, issuance())).subjectAltName).toBe(
      "URI:countersign:admin",
    );
    expect(read(authority).ca).toBe(true);
    expect(read(server).ca).toBe(false);
    expect(read(client).verify(read(authority).publicKey)).toBe(true);
    expect(read(server).keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(read(client).keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
  });

  test("are valid from a little before now until the day asked for", () => {
    const from = read(client).validFromDate.getTime();
    expect(from).toBeLessThan(now);
    expect(now - from).toBeLessThan(10 * 60_000);
    expect(Math.abs(validUntil(client) - (now + 30 * day))).toBeLessThan(1000);
  });

  test("bear the random serial number, positive and never shorter", () => {
    const serial = (fill: number): string =>
      read(issueClient(authority, host, issuance({ random: (length) => new Uint8Array(length).fill(fill) })))
        .serialNumber;
    expect(serial(0xff)).toBe(`7F${"FF".repeat(19)}`);
    expect(serial(0)).toBe(`40${"00".repeat(19)}`);
    expect(() => issueClient(authority, host, issuance({ random: () => new Uint8Array(4) }))).toThrow(/20/);
  });

  test("come with a key that shows nowhere", () => {
    expect(server.key).toBeInstanceOf(Secret);
    expect(inspect(server) + JSON.stringify(server)).not.toMatch(/PRIVATE|BEGIN EC/);
    server.key.use((bytes) => expect(Buffer.from(bytes).toString()).toMatch(/^-----BEGIN PRIVATE KEY-----/));
  });

  test("are not issued by someone else's key, for a bad name or for no time", () => {
    const other = createAuthority("Other", issuance());
    expect(() => issueClient({ ...authority, key: other.key }, host, issuance())).toThrow(/authority/);
    expect(() => issueClient(client, host, issuance())).toThrow(/authority/);
    for (const bad of ["", "*.example", "a b", "-a", "a..b", "a\u0000b", "fe80::1%eth0"])
      expect(() => issueServer(authority, [bad], issuance()), bad).toThrow(RangeError);
    expect(() => createAuthority("a\nb", issuance())).toThrow(RangeError);
    expect(() => issueClient(authority, host, issuance({ days: 0 }))).toThrow(RangeError);
  });

  describe.runIf(hasOpenssl)("to OpenSSL", () => {
    let folder = "";
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "certificates-"));
      const foreign = createAuthority("Countersign authority", issuance());
      const late = issueClient(authority, host, issuance({ now: now - 40 * day }));
      const century = issueClient(authority, host, issuance({ days: 36_500 }));
      for (const [name, { certificate }] of Object.entries({
        authority,
        server,
        client,
        foreign,
        late,
        century,
      }))
        writeFileSync(join(folder, `${name}.pem`), certificate);
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    const verify = (name: string, purpose: string, ca = "authority") =>
      spawnSync(
        "openssl",
        [
          "verify",
          "-x509_strict",
          "-check_ss_sig",
          "-purpose",
          purpose,
          "-CAfile",
          join(folder, `${ca}.pem`),
          join(folder, `${name}.pem`),
        ],
        { encoding: "utf8" },
      );

    test.each([
      ["server", "sslserver"],
      ["client", "sslclient"],
      ["century", "sslclient"],
      ["authority", "any"],
    ])("%s is good as %s", (name, purpose) => {
      const { status, stderr } = verify(name, purpose);
      expect(stderr).toBe("");
      expect(status).toBe(0);
    });

    test.each([
      ["server", "sslclient", "authority", /purpose/],
      ["client", "sslserver", "authority", /purpose/],
      [
        "client",
        "sslclient",
        "foreign",
        /authority and subject key identifier mismatch|unable to get local issuer|signature failure/,
      ],
      ["late", "sslclient", "authority", /expired/],
    ])("%s is bad as %s under %s", (name, purpose, ca, words) => {
      const { status, stderr } = verify(name, purpose, ca);
      expect(status).not.toBe(0);
      expect(stderr).toMatch(words);
    });

    test("the dump has no surprises", () => {
      const text = execFileSync(
        "openssl",
        ["x509", "-in", join(folder, "authority.pem"), "-noout", "-text"],
        {
          encoding: "utf8",
        },
      );
      expect(text).toMatch(/Version: 3/);
      expect(text).toMatch(/CA:TRUE, pathlen:0/);
      expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    });
  });
});

describe("a caller", () => {
  test("is read from exactly its own form", () => {
    expect(callerOf(roleUri(host))).toStrictEqual(host);
    expect(callerOf("countersign:admin")).toStrictEqual({ role: "admin" });
    const hex = "02".repeat(33);
    for (const uri of [
      "",
      "countersign:admin:",
      "countersign:Admin",
      `countersign:host:${hex}00`,
      `countersign:host:04${hex.slice(2)}`,
      `countersign:host:${hex.toUpperCase().replace("02", "0A")}`,
      `countersign:host:${hex}\n`,
      ` countersign:admin`,
    ])
      expect(callerOf(uri), uri).toBeUndefined();
    expect(
      callerOfCertificate({ subjectaltname: "URI:countersign:admin, URI:countersign:admin" }),
    ).toBeUndefined();
    expect(callerOfCertificate({ subjectaltname: "DNS:countersign:admin" })).toBeUndefined();
    expect(callerOfCertificate(undefined)).toBeUndefined();
  });

  test("asks for its own node", () => {
    const other = point(new Uint8Array(33).fill(3));
    expect(mayAsk(host, "points", node)).toBe(true);
    expect(mayAsk(host, "points", other)).toBe(false);
  });

  test("each role asks what is its own", () => {
    expect(mayAsk(host, "status", node)).toBe(false);
    expect(mayAsk(host, "decideApproval", node)).toBe(false);
    expect(mayAsk({ role: "admin" }, "status", node)).toBe(true);
    expect(mayAsk({ role: "admin" }, "points", node)).toBe(false);
    expect(mayAsk({ role: "admin" }, "hello", node)).toBe(false);
  });
});
