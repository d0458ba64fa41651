/** What devices in other languages are held to: the files as the code makes them, and as somebody else would read them. */

import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { concat, fromHex, toHex } from "../../protocol/bytes.ts";
import { openCurve } from "../../protocol/curve/index.ts";
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

interface Signable {
  readonly statement: {
    readonly is: "answer" | "limits";
    readonly mark: string;
    readonly node: string;
    readonly verdict?: string;
    readonly question?: {
      readonly id: string;
      readonly subject: string;
      readonly amount: string;
      readonly shown: readonly { readonly name: string; readonly value: string }[];
      readonly asked: string;
    };
  };
  readonly tag: string;
  readonly bytes: string;
  readonly digest: string;
  readonly signatures: readonly { readonly key: string; readonly signature: string }[];
}

test("what approvers sign is made of its fields, and signed as BIP 340 says", async () => {
  const curve = await openCurve("noble");
  const { statements } = JSON.parse(textOf("approvals")) as { readonly statements: readonly Signable[] };
  const u16 = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);
  const u64 = (text: string): Uint8Array => fromHex(BigInt(text).toString(16).padStart(16, "0"));
  const words = (text: string): Uint8Array => concat(u16(ascii(text).length), ascii(text));
  const subjects = ["payment", "outputs", "opening", "cover", "channel", "over"];
  for (const { statement, tag, bytes, digest, signatures } of statements) {
    const { mark, node, question, verdict } = statement;
    if (question !== undefined) {
      const { id, subject, amount, shown, asked } = question;
      const byHand = concat(
        ...[fromHex(mark), fromHex(node), fromHex(id), Uint8Array.of(subjects.indexOf(subject) + 1)],
        ...[
          u64(amount),
          u16(shown.length),
          ...shown.map(({ name, value }) => concat(words(name), words(value))),
        ],
        ...[u64(asked), Uint8Array.of(verdict === "approve" ? 1 : 2)],
      );
      expect(bytes).toBe(toHex(byHand));
    }
    expect(tag).toBe(`countersign/device/${statement.is}`);
    const prefix = sha(ascii(tag));
    expect(digest).toBe(toHex(sha(prefix, prefix, fromHex(bytes))));
    expect(signatures).toHaveLength(2);
    for (const { key, signature } of signatures)
      expect(
        curve.verifySchnorr({
          digest: fromHex(digest),
          signature: fromHex(signature),
          key: fromHex(key),
        }),
      ).toBe(true);
  }
  expect(new Set(statements.map(({ digest }) => digest)).size).toBe(statements.length);
});
