/** Red-team 14: yesterday's copy of the store is put in its place; a real signer notices, and stays off. */

import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { connectTo, Refused, readBundle, type SignerClient, signerClient } from "../../host/index.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, type Point } from "../../protocol/units.ts";
import { add, htlcOf, keysendOf, type Opened, open, plainTerms, start, update } from "../scripted/channel.ts";
import { type Installed, install } from "../scripted/command.ts";
import { commitmentOf, peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";
import { attack, honest } from "../scripted/tally.ts";

const bob = peer("bob", curve);
let signer: Installed | undefined;
const clients: SignerClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  signer?.remove();
});

const installed = async (): Promise<Installed & { readonly witness: string }> => {
  const made = await install((home) => ["--witness", join(home, "witness")]);
  signer = made;
  return { ...made, witness: join(made.home, "witness") };
};

const copied = ({ home, store }: Installed, name: string): string => {
  const copy = join(home, name);
  for (const side of ["", "-wal"]) if (existsSync(store + side)) copyFileSync(store + side, copy + side);
  return copy;
};
const putBack = ({ store }: Installed, copy: string): void => {
  for (const side of ["-wal", "-shm"]) rmSync(store + side, { force: true });
  for (const side of ["", "-wal"]) if (existsSync(copy + side)) copyFileSync(copy + side, store + side);
};
/** Starts and stops: two records, two commits. */
const goOn = async (made: Installed): Promise<void> => {
  expect(await made.stop(await made.start())).toEqual([0, null]);
};

const host = ({ dir }: Installed) => {
  const bundle = readBundle(join(dir, "host"));
  const client = signerClient({ connect: connectTo(bundle), backoff: { first: 20, most: 200 } });
  clients.push(client);
  return { client, node: bundle.node };
};

/** Commitment 0 of both sides, and then number 1: 0 is revoked. */
const first = (channel: Opened) => update(channel, bob, channel.points[0] as Point, 0n, start(plainTerms()));
const paid = htlcOf("holder", 50_000_000n, "paid");
const second = (channel: Opened) =>
  update(channel, bob, channel.points[1] as Point, 1n, add(start(plainTerms()), paid));

describe("a store that is put back", () => {
  test("while a channel went on: its revoked commitment is not to be had", async () => {
    const made = await installed();
    let child = await made.start();
    const { client, node } = host(made);
    const channel = await open(client.call, node, bob, plainTerms(), "rollback");
    await client.call("signCounterpartyCommitment", first(channel).sign);
    await client.call("validateHolderCommitment", first(channel).validate);
    await made.stop(child);
    const yesterday = copied(made, "yesterday");

    child = await made.start();
    await honest(() => client.call("proposePayment", keysendOf(node, paid)));
    await honest(() => client.call("signCounterpartyCommitment", second(channel).sign));
    await honest(() => client.call("validateHolderCommitment", second(channel).validate));
    await honest(() => client.call("revokeHolderCommitment", second(channel).revoke as never));
    const { commitment } = commitmentOf(curve, channel.shared, "holder", channel.points[0] as Point, {
      ...first(channel).validate,
      trimmed: [],
    });
    const revoked: Request<"signHolderCommitment"> = {
      ...{ node, channel: channel.channel, funding: channel.shared.funding },
      ...{ number: commitmentNumber(0n), txid: commitment.txid },
    };
    await attack("sign what is revoked, on the true store", async () => {
      const refused = await client.call("signHolderCommitment", revoked).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(Refused);
    });
    // Killed: nobody closed the store in good order.
    await made.stop(child, "SIGKILL");
    const today = copied(made, "today");

    putBack(made, yesterday);
    await attack("sign what is revoked, on yesterday's store", () => {
      const { status, stderr } = made.refusedStart();
      expect(stderr).toMatch(/the store is [0-9]+ commits behind what was witnessed at [0-9T:.-]+Z/);
      expect(stderr).toContain(`countersign witness accept --dir ${made.dir} --finding behind`);
      expect(status).toBe(4);
    });
    await attack("again: no start makes it forget", () => expect(made.refusedStart().status).toBe(4));
    const found = made.command("witness", "show", "--json");
    expect([found.status, JSON.parse(found.stdout)]).toMatchObject([4, { is: "behind" }]);

    // The honest neighbour: the true store goes on where it was.
    putBack(made, today);
    await made.start();
    await honest(() => client.call("revokeHolderCommitment", second(channel).revoke as never));
    const still = client.call("signHolderCommitment", revoked).catch((error: unknown) => error);
    await attack("after all that", async () => expect(await still).toBeInstanceOf(Refused));
  });

  test("and went on without its witness, so that it has more commits than the true one", async () => {
    const made = await installed();
    await goOn(made);
    const old = copied(made, "old");
    await goOn(made);
    putBack(made, old);
    const config = join(made.dir, "countersign.toml");
    const text = readFileSync(config, "utf8");
    writeFileSync(config, text.replace(/^witness = .*$/m, ""));
    for (let i = 0; i < 2; i++) await goOn(made);
    writeFileSync(config, text);
    await attack("a fork of the store", () => {
      const { status, stderr } = made.refusedStart();
      expect(stderr).toContain("does not have audit record");
      expect(stderr).toContain("--finding forked");
      expect(status).toBe(4);
    });
    // A person's word, and only about what is there.
    const wrong = made.command("witness", "accept", "--finding", "behind");
    await attack("a word about something else", () => {
      expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining("not what is found")]);
      expect(made.refusedStart().status).toBe(4);
    });
    const accepted = made.command("witness", "accept", "--finding", "forked");
    expect([accepted.status, accepted.stdout]).toEqual([
      0,
      expect.stringContaining("Never force-close from here"),
    ]);
    await honest(() => goOn(made));
    expect(made.command("audit", "tail").stdout).toContain("witness accepted as forked");
    expect(made.command("witness", "accept", "--finding", "forked").stdout).toContain("nothing to accept");
  });

  test("with a witness that is gone, damaged, another's, or open to others", async () => {
    const made = await installed();
    await goOn(made);
    const aside = `${made.witness}.aside`;
    const refuses = (name: string, sentence: RegExp, exit = 4) =>
      attack(name, () => {
        const { status, stderr } = made.refusedStart();
        expect(stderr).toMatch(sentence);
        expect(status).toBe(exit);
      });
    renameSync(made.witness, aside);
    await refuses("gone", /there is no witness at .*\n.*mount it.*--finding missing/s);
    writeFileSync(made.witness, "nonsense", { mode: 0o600 });
    await refuses("damaged", /is damaged.*--finding damaged/s);
    const other = await install((home) => ["--witness", join(home, "witness")]);
    try {
      copyFileSync(join(other.home, "witness"), made.witness);
      await refuses("another signer's", /another store's.*--finding foreign/s);
    } finally {
      other.remove();
    }
    copyFileSync(aside, made.witness);
    await honest(() => goOn(made));
    rmSync(made.witness);
    const accepted = made.command("witness", "accept", "--finding", "missing");
    expect([accepted.status, accepted.stdout]).toEqual([0, expect.stringContaining("From now on")]);
    expect(made.json("witness", "show")).toMatchObject({ is: "whole", by: 0, witness: made.witness });
    await honest(() => goOn(made));
  });
});
