/** The first thing that a newcomer runs. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { environment as env } from "../environment.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");

interface Line {
  readonly event?: string;
  readonly title?: string;
  readonly ok: boolean;
  readonly [fact: string]: unknown;
}

test.each([
  { keys: "in the signer", options: [], payments: 9, crashes: 1 },
  { keys: "on a device", options: ["--device"], payments: 10, crashes: 2 },
])(
  "the demo, keys $keys: each step checked, a line for each, and a summary",
  async (about) => {
    const { options, payments, crashes } = about;
    const demo = spawn(process.execPath, [main, "demo", "--json", ...options], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, "exit")]);
    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    const steps = lines.filter(({ event }) => event === "step");
    expect({ code, err, failed: steps.filter(({ ok }) => !ok) }).toEqual({ code: 0, err: "", failed: [] });
    const rules = steps.flatMap(({ title }) => /^refused by ([a-z-]+)/.exec(title ?? "")?.[1] ?? []);
    expect(rules).toEqual(["routing-deltas-only-htlc", "commitment-htlc-offered-hash-matches"]);
    expect(lines.at(-1)).toEqual({
      ok: true,
      payments,
      refusals: 3,
      crashes,
      seconds: expect.any(Number),
    });
  },
  120_000,
);

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test.each([
  ["Ctrl-C", 130, (demo: ReturnType<typeof spawn>) => demo.kill("SIGINT")],
  ["a reader that leaves", 0, (demo: ReturnType<typeof spawn>) => demo.stdout?.destroy()],
])(
  "%s ends the demo in the middle, with its signer and all that it wrote",
  async (_, code, end) => {
    const place = mkdtempSync(join(tmpdir(), "countersign-ends-"));
    const demo = spawn(process.execPath, [main, "demo", "--json"], {
      env: { ...env, TMPDIR: place },
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const ended = once(demo, "exit");
      const [line] = (await once(createInterface({ input: demo.stdout }), "line")) as [string];
      const signer = Number((JSON.parse(line) as Line)["process"]);
      expect([isThere(signer), readdirSync(place).length]).toEqual([true, 1]);
      end(demo);
      expect(await ended).toEqual([code, null]);
      // It is dead at once; who inherits it may be slow to notice.
      await expect.poll(() => isThere(signer), { timeout: 20_000 }).toBe(false);
      expect(readdirSync(place)).toEqual([]);
    } finally {
      demo.kill("SIGKILL");
      rmSync(place, { recursive: true, force: true });
    }
  },
  60_000,
);
