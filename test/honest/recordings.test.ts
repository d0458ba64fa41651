import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { type Name, packRequest, unpackRequest } from "../../protocol/operations/index.ts";
import { commitmentNumber } from "../../protocol/units.ts";
import { loadRecording, recorded } from "./record/files.ts";
import { sceneNames } from "./record/names.ts";
import {
  type Entry,
  hashLength,
  packRecording,
  type Recording,
  unpackRecording,
} from "./record/recording.ts";
import { replay } from "./replay.ts";

const load = (name: (typeof sceneNames)[number]): Recording => loadRecording(name);
const namesIn = ({ entries }: Recording): readonly Name[] =>
  entries.filter(({ ended }) => ended !== "restart").map(({ request }) => unpackRequest(request).name);

describe("what LDK nodes asked", () => {
  test("is recorded of each scene, and of nothing else", () => {
    expect(recorded()).toEqual([...sceneNames].sort());
  });

  test("is answered as it was, and refused for good in nothing", async () => {
    const counts = new Map<Name, number>();
    for (const name of sceneNames) {
      const recording = load(name);
      const { failures, requests } = await replay(recording);
      expect(failures, name).toEqual([]);
      expect(requests, name).toBeGreaterThan(40);
      for (const one of namesIn(recording)) counts.set(one, (counts.get(one) ?? 0) + 1);
    }
    // So that scenes in which nothing happens can't pass.
    const often = [
      "signCounterpartyCommitment",
      "validateHolderCommitment",
      "revokeHolderCommitment",
      "validateCounterpartyRevocation",
    ] as const;
    for (const one of often) expect(counts.get(one), one).toBeGreaterThan(200);
    const once = ["setup", "spend", "signClosing", "signGossip", "signHolderCommitment"] as const;
    for (const one of once) expect(counts.get(one), one).toBeGreaterThan(3);
  });

  /** Of the other scenes too, each way by itself, and a signer that is opened before every request, are of `npm run honest`. */
  test("is answered the same where it comes twice at once, and by a signer that is opened again and again", async () => {
    for (const [at, name] of sceneNames.entries()) {
      if (at % 3 !== 1) continue;
      const { failures } = await replay(load(name), { twice: true, reopenEvery: 15 + (at % 7) });
      expect(failures, name).toEqual([]);
    }
  });
});

/** Every scene is of `npm run honest`. */
test("what LDK nodes asked is answered to the same byte by a signer whose keys are on a device", async () => {
  for (const name of sceneNames.filter((_, at) => at % 3 === 0)) {
    const { failures } = await replay(load(name), { onDevice: true });
    expect(failures, name).toEqual([]);
  }
});

test("a forward that came back on the chain is given up where the person at the device says so", async () => {
  const { failures } = await replay(load("forward-timed-out-on-chain"), { onDevice: true });
  expect(failures).toEqual([]);
});

describe("a replay fails", () => {
  const recording = () => load("pay-anchors-accepted");
  const failuresOf = async (changed: Recording): Promise<string> =>
    (await replay(changed)).failures.join("\n");

  test("where a limit leaves no room for what was asked", async () => {
    expect(await failuresOf({ ...recording(), policy: '{"maxOfferedInFlight":1000000}' })).toContain(
      "commitment-htlc-inflight-limit",
    );
  });

  test("where a reply is another", async () => {
    const { entries, ...head } = recording();
    const at = entries.findIndex(
      ({ request }) => unpackRequest(request).name === "signCounterpartyCommitment",
    );
    const changed = entries.map((one, i) => (i === at ? { ...one, reply: new Uint8Array(8) } : one));
    expect(await failuresOf({ ...head, entries: changed })).toMatch(
      new RegExp(`^entry ${at}, signCounterpartyCommitment: reply 0+ is now reply [0-9a-f]{16} `),
    );
  });

  test("where a request is left out that another needs", async () => {
    const { entries, ...head } = recording();
    const at = entries.findIndex(({ request }) => unpackRequest(request).name === "revokeHolderCommitment");
    expect(await failuresOf({ ...head, entries: entries.toSpliced(at, 1) })).toContain("is now refused by");
  });

  test("where a refusal for good was recorded, even if nothing has changed", async () => {
    const { entries, ...head } = recording();
    const at = entries.findIndex(({ request }) => unpackRequest(request).name === "revokeHolderCommitment");
    const asked = unpackRequest(entries[at]?.request ?? new Uint8Array());
    if (asked.name !== "revokeHolderCommitment") throw new Error("another request");
    const request = packRequest(asked.name, { ...asked.body, number: commitmentNumber(7n) });
    const before = entries.slice(0, at);
    const put = (changed: Pick<Entry, "ended" | "rule">) => {
      const one: Entry = { wait: 0, request, reply: new Uint8Array(hashLength), ...changed };
      return failuresOf({ ...head, entries: [...before, one] });
    };
    const [, rule = ""] = /is now refused by ([a-z-]+)/.exec(await put({ ended: "reply", rule: "" })) ?? [];
    expect(await put({ ended: "refusal", rule })).toContain(
      `entry ${at}, revokeHolderCommitment: refused by ${rule} is now refused by ${rule}`,
    );
  });

  test("where the bytes of the language are others, and says what to do", async () => {
    const { entries, ...head } = recording();
    const [first, ...others] = entries;
    if (first === undefined) throw new Error("nothing was recorded");
    const longer = { ...first, request: Uint8Array.of(...first.request, 0) };
    expect(await failuresOf({ ...head, entries: [longer, ...others] })).toMatch(
      /can't be read.*npm run record/,
    );
  });
});

test("a recording is written and read as it is", () => {
  for (const name of sceneNames.slice(0, 3)) {
    const recording = load(name);
    const packed = packRecording(recording);
    expect(toHex(packRecording(unpackRecording(packed)))).toBe(toHex(packed));
  }
});
