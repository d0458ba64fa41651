/** Which worker a node goes to, and for how long LDK waits for a signer beside others. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Unanswered } from "../../host/failures.ts";
import type { SignerLine } from "../../host/ldk/bridge/line.ts";
import { patientLine } from "../../host/ldk/bridge/patient.ts";
import { leastOf, openShards, usualWorkers } from "../../host/ldk/fleet.ts";
import { point } from "../../protocol/units.ts";
import { steady } from "../steady.ts";

describe("the workers of a fleet", () => {
  test("differ by one node at most, however many there are", () => {
    steady(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 0, max: 200 }), (workers, nodes) => {
        const loads = new Array<number>(workers).fill(0);
        for (let node = 0; node < nodes; node++) {
          const at = leastOf(loads);
          loads[at] = (loads[at] ?? Number.NaN) + 1;
        }
        expect(loads.reduce((all, one) => all + one, 0)).toBe(nodes);
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 200 },
    );
  });

  test("leave a core to the rest, and are one at least", () => {
    expect([1, 2, 3, 8].map(usualWorkers)).toEqual([1, 1, 2, 7]);
    for (const workers of [0, -1, 1.5, Number.NaN])
      expect(() =>
        openShards({ network: "regtest", chain: {} as never, directory: "/nowhere", workers }),
      ).toThrow(/not a number of workers/);
  });
});

describe("a patient line", () => {
  const body = { node: point(new Uint8Array(33).fill(2)), point: point(new Uint8Array(33).fill(3)) };
  const reply = { is: "reply", reply: { shared: new Uint8Array(32).fill(9) } } as const;
  const fault = { is: "fault", fault: { code: "internal", sentence: "worn out" } } as const;

  const open = (wait: (limit: number | undefined) => unknown, limit = 30) => {
    const asked: (number | undefined)[] = [];
    let gaveUp = 0;
    const line: SignerLine = {
      ask: () => new Promise(() => {}),
      wait: (_, __, most) => {
        asked.push(most);
        return wait(most) as never;
      },
      close: async () => {},
    };
    const patient = patientLine({ line, limit: () => limit, gaveUp: () => void gaveUp++ });
    return { patient, asked, gaveUps: () => gaveUp };
  };
  const silence = (): never => {
    throw new Unanswered("no answer");
  };

  test("brings the answer, and says within which time", () => {
    const { patient, asked } = open(() => reply, 70);
    expect(patient.wait("ecdh", body)).toBe(reply);
    expect(asked[0]).toBeGreaterThan(0);
    expect(asked[0]).toBeLessThanOrEqual(70);
    expect(() => patient.check()).not.toThrow();
  });

  test("gives up once, and asks nothing more", () => {
    const { patient, asked, gaveUps } = open(silence);
    expect(patient.wait("ecdh", body).is).toBe("refusal");
    expect(patient.wait("ecdh", body).is).toBe("refusal");
    expect(asked.length).toBe(1);
    expect(gaveUps()).toBe(1);
    expect(() => patient.check()).toThrow(Unanswered);
  });

  test("asks again after a fault, but not for ever", () => {
    let faults = 1;
    const mends = open(() => (faults-- > 0 ? fault : reply), 5_000);
    expect(mends.patient.wait("ecdh", body)).toBe(reply);
    const { patient } = open(() => fault, 300);
    expect(patient.wait("ecdh", body).is).toBe("refusal");
    expect(() => patient.check()).toThrow(/worn out/);
  });

  test("does not begin to wait for a signer that has been away for longer", async () => {
    const { patient, asked } = open(() => reply);
    const away = { is: "disconnected", reason: "", retryIn: 1 } as const;
    patient.heard(away);
    expect(patient.wait("ecdh", body)).toBe(reply);
    patient.heard({ is: "connected" });
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(patient.wait("ecdh", body)).toBe(reply);
    patient.heard(away);
    await new Promise((resolve) => setTimeout(resolve, 40));
    patient.heard(away);
    expect(patient.wait("ecdh", body).is).toBe("refusal");
    expect(asked.length).toBe(2);
  });

  test("alone waits for as long as it takes", () => {
    const { patient, asked } = open(() => reply, Number.POSITIVE_INFINITY);
    patient.heard({ is: "disconnected", reason: "", retryIn: 1 });
    expect(patient.wait("ecdh", body)).toBe(reply);
    expect(asked).toEqual([Number.POSITIVE_INFINITY]);
  });
});
