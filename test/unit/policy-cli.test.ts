import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { exitCodes } from "../../cli/exit.ts";
import { checkText, rulesText, showText } from "../../cli/policy.ts";
import { figures } from "../../signer/core/policy/figures.ts";
import { presetNames, presetPolicy } from "../../signer/core/policy/presets.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import { allRules } from "../../signer/core/rules/index.ts";
import { parsePolicyFile } from "../../signer/policy/file.ts";
import { SetupError } from "../../signer/setup-error.ts";

const node = `02${"ab".repeat(32)}`;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "policy-"));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

const checked = z.strictObject({
  file: z.string(),
  network: z.string(),
  preset: z.string(),
  policy: z.record(z.string(), z.unknown()),
  allows: z.array(z.string()),
  warnings: z.array(z.strictObject({ limits: z.array(z.string()), sentence: z.string() })),
});

describe("policy check", () => {
  test("says what is allowed, then what is odd", () => {
    const text = checkText("p.toml", '[policy]\npreset = "merchant"\nmaxChannels = 0\n', {});
    expect(text).toMatch(/^p\.toml is valid for bitcoin, after the preset merchant\.\n\nPays nothing: /);
    expect(text).toMatch(/\n\nWarning: No channel can open\. \(maxChannels\)$/);
    expect(checkText("p.toml", "[policy]\n", {})).not.toContain("Warning");
  });

  test("as JSON has every limit, bare", () => {
    const text = `[policy]\nmaxPush = 1_234\nunattendedPayment = 2_000_000_000\npayees = ["${node}"]\n`;
    const found = checked.parse(JSON.parse(checkText("p.toml", text, { network: "signet", json: true })));
    expect(found).toMatchObject({ file: "p.toml", network: "signet", preset: "regtest" });
    expect(Object.keys(found.policy).sort()).toEqual(Object.keys(figures).sort());
    expect(found.policy).toMatchObject({ maxPush: "1234", minDelay: 6, forwarding: true, payees: [node] });
    const odd = checked.parse(
      JSON.parse(checkText("p.toml", "[policy]\nmaxChannels = 0\n", { json: true })),
    ).warnings;
    expect(odd).toEqual([{ limits: ["maxChannels"], sentence: "No channel can open." }]);
  });
});

describe("policy show", () => {
  test.each(presetNames)("prints %s, to be read back", (preset) => {
    const network = preset === "regtest" ? "regtest" : "bitcoin";
    const { policy } = parsePolicyFile(showText({ preset }), "p.toml", network);
    expect(policy).toEqual(presetPolicy(preset, network));
  });

  test("prints the network's own where none is named", () => {
    expect(parsePolicyFile(showText({}), "p.toml").policy).toEqual(defaultPolicy("bitcoin"));
    expect(parsePolicyFile(showText({ network: "signet" }), "p.toml", "signet").policy).toEqual(
      defaultPolicy("signet"),
    );
  });

  test("gives play money's preset for no real money", () => {
    expect(() => showText({ preset: "regtest", network: "bitcoin" })).toThrow(SetupError);
  });

  test("prints what holds in a signer's directory", () => {
    const config = `schema = 1\nnetwork = "signet"\ntier = "full"\n[[node]]\nindex = 0\nid = "${node}"\n`;
    writeFileSync(
      join(dir, "countersign.toml"),
      `${config}[policy]\npreset = "merchant"\nmaxChannels = 9\n`,
      {
        mode: 0o600,
      },
    );
    const text = showText({ dir });
    expect(text).toContain("on signet");
    expect(parsePolicyFile(text, "p.toml", "signet")).toEqual({
      network: "signet",
      preset: "merchant",
      policy: { ...presetPolicy("merchant", "signet"), maxChannels: 9 },
    });
  });
});

describe("a node with a policy of its own", () => {
  const other = `03${"cd".repeat(32)}`;
  const text =
    `schema = 1\nnetwork = "signet"\ntier = "full"\n[[node]]\nindex = 0\nid = "${node}"\n` +
    `[[node]]\nindex = 1\nid = "${other}"\n[node.policy]\npreset = "merchant"\nmaxChannels = 0\n` +
    "[policy]\nmaxChannels = 9\n";

  test("is shown where it is named, and nothing of the others' holds for it", () => {
    const home = mkdtempSync(join(dir, "nodes-"));
    writeFileSync(join(home, "countersign.toml"), text, { mode: 0o600 });
    const shown = (of: string) => parsePolicyFile(showText({ dir: home, node: of }), "p.toml", "signet");
    expect(shown("0").policy).toEqual({ ...defaultPolicy("signet"), maxChannels: 9 });
    expect(shown(other)).toEqual({
      network: "signet",
      preset: "merchant",
      policy: { ...presetPolicy("merchant", "signet"), maxChannels: 0 },
    });
    expect(() => showText({ dir: home })).toThrow("this signer has 2 nodes");
    expect(() => showText({ node: "0" })).toThrow("give --dir");
  });

  test("is checked with the others', and its mistakes are told", () => {
    const checked = checkText("c.toml", text, {});
    expect(checked).toMatch(/^c\.toml is valid for signet, after the preset regtest\./);
    const [, own = ""] = checked.split(`Node ${other} has a policy of its own, after the preset merchant.`);
    expect(own).toMatch(/^\n\nPays nothing: .*Warning: No channel can open\. \(maxChannels\)$/s);
    const json = JSON.parse(checkText("c.toml", text, { json: true })) as Record<string, unknown>;
    expect(json).toMatchObject({
      policy: { maxChannels: 9 },
      nodes: [
        {
          node: other,
          preset: "merchant",
          policy: { maxChannels: 0 },
          warnings: [{ limits: ["maxChannels"] }],
        },
      ],
    });
    expect(() => checkText("c.toml", text.replace("maxChannels = 0", "maxChannel = 0"), {})).toThrow(
      "[node.policy] of node[1] is not valid",
    );
  });
});

describe("policy rules", () => {
  test("has every rule of the code, each with its sentence", () => {
    const text = rulesText(allRules, false);
    for (const { name, kind, sentence } of allRules)
      expect(text).toContain(`${name} (${kind})\n  ${sentence}\n`);
    expect(JSON.parse(rulesText(allRules, true))).toEqual(
      allRules.map(({ name, kind, sentence, tiers }) => ({ name, kind, sentence, tiers })),
    );
  });
});

describe("exit codes", () => {
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, "../../cli/main.ts"), "policy", ...args], {
      encoding: "utf8",
    });

  test("are those of the table", () => {
    const bad = join(dir, "bad.toml");
    writeFileSync(bad, "[policy]\nmaxPush = 1\nmaxpush = 2\n");
    const good = join(dir, "good.toml");
    writeFileSync(good, "[policy]\nmaxChannels = 0\n");
    const wrong = run("check", bad);
    expect(wrong).toMatchObject({ status: exitCodes.invalid.code, stdout: "" });
    expect(wrong.stderr).toContain("maxpush: unknown key; did you mean `maxPush`?");
    expect(run("check", good)).toMatchObject({ status: exitCodes.ok.code, stderr: "" });
    expect(run("check", join(dir, "none.toml")).status).toBe(exitCodes.invalid.code);
    expect(run("check", dir).status).toBe(exitCodes.invalid.code);
    expect(run("show", "--preset", "yolo").status).toBe(exitCodes.usage.code);
    expect(run("show", "--preset", "merchant", "--dir", dir).status).toBe(exitCodes.usage.code);
  }, 30_000);
});
