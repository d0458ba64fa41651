/** docs/device-protocol.md is written by hand; its numbers are the code's. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
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
});
