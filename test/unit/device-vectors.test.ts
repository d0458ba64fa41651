/** What devices in other languages are held to: the files as the code makes them, and as somebody else would read them. */

import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { concat, fromHex, toHex } from "../../protocol/bytes.ts";
import {
  coreAnswerShapes,
  coreRequestShapes,
  decodeCoreAnswer,
  decodeCoreRequest,
  encodeCoreAnswer,
  encodeCoreRequest,
} from "../../protocol/device/core.ts";
import { sizeOf } from "../../protocol/device/markdown.ts";
import {
  decodeDeviceAnswer,
  decodeDeviceRequest,
  deviceAnswerShapes,
  deviceRequestShapes,
  encodeDeviceAnswer,
  encodeDeviceRequest,
  forCore,
  forDevice,
} from "../../protocol/device/requests.ts";
import { shared } from "../contract/device-records.ts";
import { deviceVectors } from "../contract/device-vectors.ts";

const textOf = (name: string): string =>
  readFileSync(new URL(`../vectors/device/${name}.json`, import.meta.url), "utf8");

test.each(Object.entries(deviceVectors()))("%s: what is kept is what the code makes", (name, content) => {
  expect(textOf(name)).toBe(`${JSON.stringify(content, null, 1)}\n`);
});

interface Message {
  readonly is: string;
  readonly bytes: string;
}
const messages: {
  readonly [A in "device" | "core"]: { readonly [W in "requests" | "answers"]: readonly Message[] };
} = JSON.parse(textOf("messages"));

const sides = [
  {
    side: "asked of the device",
    all: messages.device.requests,
    addressee: forDevice,
    shapes: deviceRequestShapes,
    again: (bytes: Uint8Array) => encodeDeviceRequest(decodeDeviceRequest(bytes)),
  },
  {
    side: "answered by the device",
    all: messages.device.answers,
    addressee: forDevice,
    shapes: deviceAnswerShapes,
    again: (bytes: Uint8Array) => encodeDeviceAnswer(decodeDeviceAnswer(bytes)),
  },
  {
    side: "asked of the core",
    all: messages.core.requests,
    addressee: forCore,
    shapes: coreRequestShapes,
    again: (bytes: Uint8Array) => encodeCoreRequest(decodeCoreRequest(bytes)),
  },
  {
    side: "answered by the core",
    all: messages.core.answers,
    addressee: forCore,
    shapes: coreAnswerShapes,
    again: (bytes: Uint8Array) => encodeCoreAnswer(decodeCoreAnswer(bytes)),
  },
];

describe.each(sides)("what is $side", ({ all, addressee, shapes, again }) => {
  test("is there with every kind, under its number, in its one form", () => {
    expect(new Set(all.map(({ is }) => is))).toEqual(new Set(shapes.map(({ name }) => name)));
    for (const { is, bytes } of all) {
      const [to, number, ...rest] = fromHex(bytes);
      expect(to).toBe(addressee);
      const shape = shapes.find((one) => one.name === is);
      expect(number).toBe(shape?.number);
      expect(toHex(again(fromHex(bytes).subarray(1)))).toBe(bytes.slice(2));
      const { least, most } = sizeOf({ kind: "message", name: is, fields: shape?.fields ?? {} });
      expect(rest.length).toBeGreaterThanOrEqual(least);
      expect(rest.length).toBeLessThanOrEqual(most);
    }
  });
});

interface Step {
  readonly step: string;
  readonly changes: readonly { readonly key: string; readonly content: string }[];
  readonly pages: readonly { readonly key: string; readonly page: string; readonly nonce?: string }[];
  readonly root: string;
  readonly flash: { readonly root: string };
}
const records: {
  readonly rootKey: string;
  readonly pagesKey: string;
  readonly emptyRoot: string;
  readonly steps: readonly Step[];
} = JSON.parse(textOf("records"));

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(
    createHash("sha256")
      .update(concat(...parts))
      .digest(),
  );
const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(
    createHmac("sha256", key)
      .update(concat(...parts))
      .digest(),
  );

/** As docs/device-messages.md has it, and without the device's own code. */
const rootOver = (pages: ReadonlyMap<string, Uint8Array>): string => {
  const keys = [...pages.keys()].toSorted();
  const row = Array.from({ length: 256 }, (_, at) => {
    const mine = keys.filter((key) => sha(ascii(key))[0] === at);
    if (mine.length === 0) return new Uint8Array(32);
    return sha(
      Uint8Array.of(0),
      ...mine.flatMap((key) => [
        Uint8Array.of(key.length),
        ascii(key),
        sha(pages.get(key) ?? new Uint8Array(0)),
      ]),
    );
  });
  return toHex(sha(Uint8Array.of(1), ...row));
};

const pagesKey = fromHex(records.pagesKey);
const openedBy = (page: Uint8Array): { readonly nonce: Uint8Array; readonly content: Uint8Array } => {
  const keyLength = new DataView(page.buffer, page.byteOffset).getUint16(17);
  const nonceAt = 19 + keyLength;
  const [about, nonce] = [page.subarray(0, nonceAt), page.slice(nonceAt, nonceAt + 12)];
  const sealed = page.subarray(nonceAt + 16);
  const end = sealed.length - 16;
  const cipher = createDecipheriv("chacha20-poly1305", pagesKey, nonce, { authTagLength: 16 });
  cipher.setAAD(about, { plaintextLength: end });
  cipher.setAuthTag(sealed.subarray(end));
  const content = Uint8Array.from(cipher.update(sealed.subarray(0, end)));
  cipher.final();
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, about.length);
  const whole = hmac(pagesKey, ascii("countersign device page nonce\0"), length, about, content);
  expect(nonce).toEqual(whole.slice(0, 12));
  return { nonce, content };
};

describe("the records", () => {
  test("have the keys that follow from the vault's", () => {
    const other = hmac(fromHex(records.rootKey), ascii("countersign device other\0"));
    expect(toHex(hmac(other, ascii("countersign device pages\0")))).toBe(records.pagesKey);
  });

  test("have, step by step, the pages and the root that somebody else comes to", () => {
    const pages = new Map<string, Uint8Array>();
    let before = records.emptyRoot;
    expect(rootOver(pages)).toBe(before);
    let highest = "";
    for (const { step, changes, pages: given, root, flash } of records.steps) {
      expect(given.map(({ key }) => key)).toEqual(changes.map(({ key }) => key));
      for (const [i, { key, page, nonce }] of given.entries()) {
        const content = changes[i]?.content;
        if (page === "forgotten") {
          expect(content).toBe("forgotten");
          pages.delete(key);
          continue;
        }
        const opened = openedBy(fromHex(page));
        expect(toHex(opened.nonce)).toBe(nonce);
        expect(toHex(opened.content)).toBe(content);
        pages.set(key, fromHex(page));
      }
      expect(rootOver(pages)).toBe(root);
      const inFlash = /^01(.{16})(.{64})(.{64})(.{16})$/.exec(flash.root) ?? [];
      expect(inFlash.slice(1, 4)).toEqual([BigInt(step).toString(16).padStart(16, "0"), root, before]);
      expect(BigInt(`0x${inFlash[4]}`)).toBeGreaterThanOrEqual(BigInt(`0x${highest || "0"}`));
      highest = inFlash[4] ?? "";
      before = root;
    }
    expect(records.steps).toHaveLength(6);
    expect([...pages.keys()].toSorted()).toEqual(["node", shared[0]]);
  });

  test("have two of one bucket", () => {
    const [one, two] = shared.map((key) => sha(ascii(key))[0]);
    expect(one).toBe(two);
  });
});

describe("the screens", () => {
  interface Drawn {
    readonly lines: readonly string[];
    readonly pressed: Readonly<
      Record<string, { readonly page?: number; readonly act?: { readonly is: string } }>
    >;
  }
  const {
    screens,
    questions,
  }: {
    readonly screens: readonly Drawn[];
    readonly questions: readonly { readonly pages: readonly (Drawn & { readonly page: number })[] }[];
  } = JSON.parse(textOf("screens"));

  test("are eight lines of 21 plain characters, and all four buttons are there", () => {
    for (const { lines, pressed } of [...screens, ...questions.flatMap(({ pages }) => pages)]) {
      expect(lines).toHaveLength(8);
      for (const line of lines) expect(line).toMatch(/^[ -~]{21}$/);
      expect(Object.keys(pressed)).toEqual(["left", "right", "both", "hold"]);
    }
  });

  test("say yes to a question on its last page alone, and no on each", () => {
    for (const { pages } of questions) {
      const last = pages.length - 1;
      expect(last).toBeGreaterThan(0);
      for (const { page, pressed } of pages) {
        expect(pressed["hold"]).toEqual(page === last ? { act: { is: "yes" } } : {});
        expect(pressed["both"]).toEqual({ act: { is: "no" } });
        expect(pressed["right"]).toEqual(page === last ? {} : { page: page + 1 });
        expect(pressed["left"]).toEqual(page === 0 ? {} : { page: page - 1 });
      }
    }
  });
});
