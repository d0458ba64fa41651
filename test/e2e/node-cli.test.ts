/** A newcomer's node, from its first address to its last: all of it as typed commands. */

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CliNode, countersign, openTown, type Town, until } from "./node-cli.kit.ts";

let town: Town;
let alice: CliNode;
let bob: CliNode;

const policy = "unattendedPayment = 20_000_000\nmaxSentPerDay = 200_000_000\n";

beforeAll(async () => {
  town = await openTown();
  [alice, bob] = await Promise.all([town.settle("alice", policy), town.settle("bob", policy)]);
}, 60_000);

afterAll(() => town?.close());

const usable = (node: CliNode) =>
  until("a usable channel", async () =>
    (await node.ask("channels", {})).channels.find(({ isUsable }) => isUsable),
  );

const hex32 = expect.stringMatching(/^[0-9a-f]{64}$/) as unknown;

describe("a node on the command line", () => {
  test("is private, says who it is, and is started once", async () => {
    expect(statSync(alice.dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(alice.dir, "node.toml")).mode & 0o777).toBe(0o600);
    expect(statSync(join(alice.dir, "control.sock")).mode & 0o777).toBe(0o600);
    expect(await alice.json("info")).toMatchObject({ node: alice.id, network: "regtest", peers: [] });
    expect(await alice.text("info")).toContain(alice.at);
    const again = await countersign("node", "start", "--dir", alice.dir);
    expect([again.status, again.stdout]).toEqual([3, ""]);
    expect(again.stderr).toContain("a node runs in");
  });

  test("is funded by an address, and opens a channel", async () => {
    town.pay((await alice.text("address")).trim(), 3);
    await town.mine(101);
    const { wallet } = await alice.ask("balance", {});
    expect(wallet.confirmed).toBeGreaterThan(1_000_000_000n);
    const early = await alice.run("open", bob.id, "1000000");
    expect([early.status, early.stderr]).toEqual([3, `countersign: not connected to ${bob.id}\n`]);

    const opened = await alice.text("open", bob.at, "1000000", "--push", "300000");
    const [, channel = ""] = /^Channel ([0-9a-f]{64}) is being opened\. It is ready when/.exec(opened) ?? [];
    // It is published when the peer has signed, which is later than the command's end.
    await until("the funding transaction", () => town.waiting() > 0);
    await town.mine(6);
    expect((await usable(alice)).channel).toBe(channel);
    await usable(bob);
    expect(await alice.text("peers")).toBe(`${bob.id}\n`);
    const [head, row] = (await alice.text("channels")).split("\n");
    expect(head).toMatch(/^channel +with +size +can send +can receive$/);
    expect(row).toContain(channel.slice(0, 16));
    expect(row).toMatch(/1,000,000 sat .* ready$/);
    expect(await alice.text("balance")).toMatch(/in channels, to send +6\d\d,\d{3}(\.\d+)? sat/);
  });

  test("pays and is paid: invoices, without an invoice, and by an offer", async () => {
    const bill = (await bob.text("invoice", "1000.250", "--description", "coffee")).trim();
    expect(await alice.json("pay", bill)).toMatchObject({ preimage: hex32, feeMsat: "0" });
    const twice = await alice.run("pay", bill);
    expect([twice.status, twice.stderr]).toEqual([3, "countersign: the invoice was paid before\n"]);

    const open = (await bob.json("invoice", "any"))["invoice"] as unknown as string;
    expect((await alice.run("pay", open)).stderr).toContain("leaves the amount to the payer");
    expect(await alice.text("pay", open, "--sat", "2000")).toMatch(
      /^paid for a fee of +0 sat\npreimage +[0-9a-f]{64}\n$/,
    );
    const back = (await alice.json("invoice", "5000"))["invoice"] as unknown as string;
    expect(await bob.json("pay", `lightning:${back}`)).toMatchObject({ preimage: hex32 });
    expect(await alice.json("keysend", bob.id, "700")).toMatchObject({ preimage: hex32 });
    const offer = (await bob.text("offer", "--description", "tea")).trim();
    expect(offer).toMatch(/^lno1/);
    expect((await alice.run("pay", offer)).stderr).toContain("pay-offer");
    expect(await alice.json("pay-offer", offer, "300")).toMatchObject({ preimage: hex32 });

    const listed = await alice.text("payments");
    expect(listed).toMatch(/out +done +1,000\.250 sat +0 sat/);
    expect(listed).toMatch(/in +done +5,000 sat/);
    expect((await alice.json("payments", "--last", "2"))["more"]).toBe(3);
  });

  test("asks a person where the signer's limit is passed, and goes on once that is given", async () => {
    const bill = (await bob.text("invoice", "60000")).trim();
    const asked = await alice.run("pay", bill);
    expect([asked.status, asked.stdout]).toEqual([3, ""]);
    const [, command = ""] = /countersign (approvals approve [0-9a-f]{64})/.exec(asked.stderr) ?? [];
    const approved = await countersign(...command.split(" "), "--dir", alice.signerDir);
    expect([approved.status, approved.stderr]).toEqual([0, ""]);
    expect(await alice.json("pay", bill)).toMatchObject({ preimage: hex32 });

    const beyond = (await bob.text("invoice", "200000")).trim();
    const refused = await alice.run("pay", beyond);
    expect(refused.status).toBe(3);
    expect(refused.stderr).toMatch(
      /refused by commitment-payment-velocity: .+ \(withThis \d+, maxPerDay 200000000\) .+ maxSentPerDay/,
    );
  });

  test("goes on after SIGKILL", async () => {
    const { outboundMsat } = await usable(alice);
    await alice.end("SIGKILL");
    const none = await alice.run("info");
    expect([none.status, none.stderr]).toEqual([
      69,
      expect.stringContaining(`countersign node start --dir ${alice.dir}`),
    ]);
    await alice.start();
    expect((await usable(alice)).outboundMsat).toBe(outboundMsat);
    const bill = (await bob.text("invoice", "1234")).trim();
    expect(await alice.json("pay", bill)).toMatchObject({ preimage: hex32 });
  });

  test("closes by agreement, is followed, and stops", async () => {
    const follower = spawn(process.execPath, [
      ...[join(import.meta.dirname, "../../cli/main.ts"), "node", "events", "--dir", bob.dir, "--json"],
    ]);
    let followed = "";
    follower.stdout.on("data", (bytes: Buffer) => {
      followed += bytes.toString("utf8");
    });
    const { channel } = await usable(bob);
    await until("the follower", async () => {
      await town.mine(1);
      return followed.includes('"event":"block"');
    });
    const forced = await bob.run("force-close", channel.slice(0, 12));
    expect([forced.status, forced.stderr]).toEqual([2, expect.stringContaining("--yes")]);
    expect(await bob.text("close", channel.slice(0, 12))).toContain("is closed as soon as");
    await until("the close", () => followed.includes('"event":"channelClosed"'));
    await town.mine(6);
    expect(await alice.text("channels")).toBe("No channels.\n");
    await until("the sweep", async () => {
      await town.mine(1);
      return (await bob.ask("balance", {})).wallet.confirmed > 300_000n;
    });

    const over = new Promise((resolve) => void follower.once("exit", resolve));
    expect(await bob.text("stop")).toBe("The node has stopped.\n");
    expect(await over).toBe(0);
    expect(bob.lines.at(-1)).toEqual({ event: "stopped" });
    expect(existsSync(join(bob.dir, "control.sock"))).toBe(false);
    expect((await bob.run("peers")).status).toBe(69);
    expect(await alice.end("SIGTERM")).toBe(0);
    const refusals = [...alice.lines, ...bob.lines].filter(({ event }) => /refused|trouble/.test(event));
    expect(refusals).toEqual([]);
  });
});
