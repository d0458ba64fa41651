/** The first thing that a newcomer runs. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
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
