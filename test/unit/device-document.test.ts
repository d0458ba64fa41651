/** docs/device-protocol.md is written by hand; its numbers are the code's. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeRoot, encodeRoot } from "../../firmware-sim/ledger.ts";
import { mostAccepted } from "../../firmware-sim/limits.ts";
import { encodeStanding } from "../../firmware-sim/standing.ts";
import { emptyTree } from "../../firmware-sim/tree.ts";
import { unknown } from "../../protocol/codec.ts";
import {
  coreAnswerShapes,
  coreRequestShapes,
  longestPage,
  mostContent,
  mostOffered,
  mostPages,
  pageKey,
  pagesAtOnce,
} from "../../protocol/device/core.ts";
import { printDeviceMessages, sizeOf } from "../../protocol/device/markdown.ts";
import { deviceAnswerShapes, deviceRequestShapes, messagesVersion } from "../../protocol/device/requests.ts";
import { crcLength, frameTypes, headerLength, maxFrame, maxPayload } from "../../protocol/frame.ts";
import {
  complaints,
  encodeError,
  encodeHello,
  encodeInit,
  maxLinkMessage,
  usualMessage,
} from "../../protocol/link/hello.ts";
import { encodePiece, failureWhys, maxChunk, pieceKinds } from "../../protocol/link/piece.ts";
import { usualTimes } from "../../protocol/link/ports.ts";
import { maxFrames, rekeyEvery } from "../../protocol/link/session.ts";

const text = readFileSync(new URL("../../docs/device-protocol.md", import.meta.url), "utf8");
const section = (name: string): string => {
  const start = text.indexOf(`## ${name}\n`);
  expect(start).toBeGreaterThan(0);
  const end = text.indexOf("\n## ", start + 1);
  return text.slice(start, end < 0 ? undefined : end);
};
const rowsOf = (part: string): readonly (readonly string[])[] =>
  part
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
const grouped = (n: number): string => n.toLocaleString("en-US");

describe("the tables of the device protocol", () => {
  test("have every type of frame", () => {
    const rows = rowsOf(section("Frame")).filter(([type]) => /^`8\d`$/.test(type ?? ""));
    expect(
      Object.fromEntries(rows.map(([type = "", name = ""]) => [name, Number(`0x${type.slice(1, 3)}`)])),
    ).toEqual(frameTypes);
  });

  test("have every kind of piece, and every failure", () => {
    const rows = rowsOf(section("Pieces")).filter(([kind]) => /^\d+$/.test(kind ?? ""));
    expect(rows.map(([kind, name]) => [name, Number(kind)])).toEqual(
      Object.entries(pieceKinds).map(([name, { number }]) => [name, number]),
    );
    for (const [i, why] of failureWhys.entries()) expect(section("Pieces")).toContain(`${i + 1} ${why}`);
  });

  test("have every complaint", () => {
    const rows = rowsOf(section("Errors")).filter(([, name]) => complaints.some((one) => one === name));
    expect(rows.map(([number, name]) => [Number(number), name])).toEqual(
      complaints.map((one, i) => [i + 1, one]),
    );
  });

  test("say how long each body is", () => {
    const nonce = new Uint8Array(8);
    const common = { nonce, capabilities: 0, maxMessage: 1 };
    const lengths = {
      init: encodeInit({ ...common, purpose: "pair", lowest: 1, highest: 1, signer: nonce }).length,
      hello: encodeHello({ ...common, answers: nonce, channel: 1, version: 1, inFlight: 1 }).length,
      error: encodeError({ complaint: "version", answers: nonce }).length,
    };
    for (const [name, length] of Object.entries(lengths))
      expect(section("Frame")).toMatch(new RegExp(`\\| ${name} \\| (signer|device) \\| ${length} bytes`));
    expect(encodePiece({ kind: "keepalive", id: 1, waits: "person" })).toEqual(
      Uint8Array.of(3, 0, 0, 0, 1, 2),
    );
  });

  test("have the limits", () => {
    const limits = section("Limits");
    for (const n of [maxPayload, usualMessage, maxLinkMessage, rekeyEvery, maxFrames])
      expect(limits).toContain(grouped(n));
    for (const [what, ms] of [
      ["silence", usualTimes.silenceMs],
      ["patience", usualTimes.patienceMs],
      ["transport takes a piece", usualTimes.stuckMs],
      ["greeting, handshake", usualTimes.greetMs],
    ] as const)
      expect(limits).toContain(`| ${what} | ${ms / 1000} s`);
    expect(limits).toContain(`| sessions for one request | ${usualTimes.sends} |`);
    expect(section("Frame")).toContain(`${headerLength + crcLength} to ${grouped(maxFrame)} bytes`);
    expect(section("Pieces")).toContain(`up to ${grouped(maxChunk)} bytes`);
    expect(section("Pieces")).toContain(`every ${usualTimes.keepaliveMs} ms`);
  });

  test("have the limits of the messages", () => {
    const limits = section("Limits");
    const judge = coreRequestShapes.find(({ name }) => name === "judge");
    const most = 2 + sizeOf({ kind: "message", name: "judge", fields: judge?.fields ?? {} }).most;
    for (const n of [most, pagesAtOnce, mostPages, longestPage, mostContent])
      expect(limits).toContain(grouped(n));
    expect(most).toBeLessThan(usualMessage);
    expect(limits).toContain(`| messages, version | ${messagesVersion} |`);
    expect(limits).toContain(`| HTLCs in a channel | ${mostOffered} + ${mostAccepted} |`);
    expect(limits).toContain(`the name of a record has ${(pageKey.shape as { readonly max: number }).max} B`);
  });
});

describe("the messages of a device", () => {
  const url = (name: string) => new URL(`../../${name}`, import.meta.url);
  const head = readFileSync(url("build/device-messages.md"), "utf8");
  const printed = readFileSync(url("docs/device-messages.md"), "utf8");

  test("are printed from what the code is now, each kind with its table", () => {
    expect(printed).toBe(printDeviceMessages(head));
    const all = [
      ...[...deviceRequestShapes, ...deviceAnswerShapes].map((one) => [0, one] as const),
      ...[...coreRequestShapes, ...coreAnswerShapes].map((one) => [1, one] as const),
    ];
    for (const [addressee, { number, name, fields }] of all) {
      const begins = `\`0${addressee} ${number.toString(16).padStart(2, "0")}\``;
      expect(printed).toContain(`| ${begins} | ${name} |`);
      if (Object.keys(fields).length > 0) expect(printed).toContain(`**${name}** (${begins})`);
    }
  });

  test("are told of in an order that names every request of the core which is no public key", () => {
    for (const name of ["info", "unlock", "open", "load", "begin", "judge", "consult", "vouch", "lock"])
      expect(head).toMatch(new RegExp(`^ {4}.*\\b${name}\\b`, "m"));
  });

  test("come with the lengths of what is in flash", () => {
    const root = { format: 1, step: 1n, root: emptyTree.root, before: emptyTree.root, witness: 0n } as const;
    expect(decodeRoot(encodeRoot(root))).toEqual(root);
    const standing = { format: 1, holder: 0n, counterparty: 0n, revealed: 0n, revoked: 0n } as const;
    const lengths = [unknown, 0n].map(
      (broadcast) =>
        encodeStanding({ ...standing, broadcast } as Parameters<typeof encodeStanding>[0]).length,
    );
    expect(head).toContain(
      `| root: ${encodeRoot(root).length} bytes | | standing of a channel: ${lengths.join(" or ")} bytes |`,
    );
  });
});
