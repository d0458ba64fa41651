/** In which order questions come before a device's person, and which of them wait for nobody. */

import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { CoreAnswer } from "../../protocol/device/core.ts";
import type { Verdict } from "../../protocol/device/limits.ts";
import { point } from "../../protocol/units.ts";
import { type Consulting, openConsulting } from "../../signer/device/consulting.ts";

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
const settled = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await turn();
};
const idOf = (n: number): string => n.toString(16).padStart(2, "0").repeat(32);
const [a, b, c, d] = [1, 2, 3, 4].map(idOf) as [string, string, string, string];

interface Shown {
  readonly id: string;
  readonly answer: (verdict: Verdict) => void;
}

/** One screen, and an allowance for some. What it says is on its way until `deliver`, where a test wants that. */
const bench = ({ covered = [] as readonly string[] } = {}) => {
  const asked: string[] = [];
  const told: string[] = [];
  const proposed: string[] = [];
  const faults: unknown[] = [];
  const tellings: (() => void)[] = [];
  const late: (() => void)[] = [];
  const on = { slowTelling: false, slowAnswers: false };
  let shown: Shown | undefined;

  const consult = async (id: string, signal: AbortSignal, onPerson: () => void): Promise<CoreAnswer> => {
    if (covered.includes(id)) return { is: "verdict", verdict: "approve", by: "allowance" };
    if (shown !== undefined) return { is: "refused", why: "busy" };
    const answered = Promise.withResolvers<Verdict>();
    const mine: Shown = { id, answer: answered.resolve };
    shown = mine;
    signal.addEventListener("abort", () => {
      if (shown === mine) shown = undefined;
      answered.reject(signal.reason);
    });
    setImmediate(onPerson);
    const verdict = await answered.promise;
    shown = undefined;
    return { is: "verdict", verdict, by: "person" };
  };

  const consulting: Consulting = openConsulting({
    node: point(fromHex(`02${idOf(9)}`)),
    request: async (body, _patience, { signal = new AbortController().signal, onWaiting } = {}) => {
      const request = await body();
      if (request.is !== "consult") throw new Error(request.is);
      const id = toHex(request.approval);
      asked.push(id);
      const answer = await consult(id, signal, () => onWaiting?.("person"));
      if (on.slowAnswers) await new Promise<void>((done) => late.push(done));
      return answer;
    },
    stepped: async () => ({ is: "refused", why: "unknown" }),
    propose: async ({ amount, hash }) => {
      proposed.push(String(amount));
      return { is: "reply", reply: { approval: hash, standing: "pending" } as never };
    },
    decided: async (approval, verdict) => {
      if (on.slowTelling) await new Promise<void>((done) => tellings.push(done));
      told.push(`${verdict} ${toHex(approval)}`);
    },
    pause: turn,
    isClosed: () => false,
    report: (error) => faults.push(error),
  });
  return {
    ...{ asked, told, proposed, faults, tellings, late, on, consulting },
    shown: () => shown?.id,
    says: async (verdict: Verdict): Promise<void> => {
      shown?.answer(verdict);
      await settled();
    },
  };
};

describe("a question", () => {
  test("that the allowance pays for waits behind none, and the others keep their order", async () => {
    const { consulting, told, shown, says, faults } = bench({ covered: [c] });
    const all = [];
    for (const id of [a, b, c, d]) {
      all.push(consulting.consulted(id));
      await settled();
    }
    expect([shown(), told]).toEqual([a, [`approve ${c}`]]);
    await says("approve");
    expect(shown()).toBe(b);
    await says("deny");
    expect(shown()).toBe(d);
    await says("approve");
    await Promise.all(all);
    expect(told).toEqual([`approve ${c}`, `approve ${a}`, `deny ${b}`, `approve ${d}`]);
    expect(faults).toEqual([]);
  });

  test("that came just when the screen was free goes before none that waits for it", async () => {
    const { consulting, on, late, shown, says, told } = bench();
    const first = [consulting.consulted(a), consulting.consulted(b)];
    await settled();
    on.slowAnswers = true;
    await says("approve");
    // The device is done with the first one, and this signer has not heard it.
    expect([shown(), told]).toEqual([undefined, []]);
    on.slowAnswers = false;
    const last = consulting.consulted(c);
    await settled();
    for (const deliver of late) deliver();
    await settled();
    expect(shown()).toBe(b);
    await says("approve");
    expect(shown()).toBe(c);
    await says("approve");
    await Promise.all([...first, last]);
    expect(told).toEqual([a, b, c].map((id) => `approve ${id}`));
  });

  test("is asked once, whoever waits for it", async () => {
    const { consulting, asked, says } = bench();
    const both = [consulting.consulted(a), consulting.consulted(a)];
    await settled();
    await says("approve");
    await Promise.all(both);
    expect(asked).toEqual([a]);
  });

  test("about cover is one from the moment on when it comes, whatever the screen shows", async () => {
    const { consulting, proposed, shown, says, told } = bench();
    const first = consulting.consulted(a);
    await settled();
    const given = consulting.consulted(`back/${b}/21000`);
    await settled();
    expect([shown(), proposed]).toEqual([a, ["21000"]]);
    await says("approve");
    expect(shown()).toBe(b);
    await says("deny");
    await Promise.all([first, given]);
    expect(told).toEqual([`approve ${a}`, `deny ${b}`]);
  });
});

test.each([
  ["nothing", []],
  ["another question", [a]],
])("what the allowance paid is told before it pays again, while the screen shows %s", async (_, before) => {
  const { consulting, on, asked, told, tellings } = bench({ covered: [c, d] });
  for (const id of before) void consulting.consulted(id);
  await settled();
  on.slowTelling = true;
  const both = Promise.all([consulting.consulted(c), consulting.consulted(d)]);
  await settled();
  expect([asked, told]).toEqual([[...before, c], []]);
  tellings.shift()?.();
  await settled();
  expect([asked.at(-1), told]).toEqual([d, [`approve ${c}`]]);
  tellings.shift()?.();
  await both;
  expect(told).toEqual([`approve ${c}`, `approve ${d}`]);
});
