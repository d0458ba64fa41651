/** What the demo does, step by step. Each step looks whether it came true; one that did not ends the demo. */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { decodeTx } from "../../protocol/bitcoin/tx.ts";
import { fromHex } from "../../protocol/bytes.ts";
import { type Txid, txid } from "../../protocol/units.ts";
import { shownFacts } from "../admin.ts";
import { type DemoDevice, makeDevice } from "./device.ts";
import type { OnProcess } from "./process.ts";
import { type DemoSigner, makeSigner } from "./signer.ts";
import { steal } from "./theft.ts";
import type { Timeline } from "./timeline.ts";
import { fund, openChannel, openTown, type Resident, type Town, until } from "./town.ts";

export interface Tally {
  payments: number;
  refusals: number;
  crashes: number;
}

interface Scene {
  readonly town: Town;
  readonly signer: DemoSigner;
  /** Where Bob's keys are on one. */
  readonly device: DemoDevice | undefined;
  readonly timeline: Timeline;
  readonly tally: Tally;
  readonly alice: Resident;
  /** Whose keys are the signer's. */
  readonly bob: Resident;
  carol: Resident;
  readonly directory: string;
}

const sat = (n: bigint): bigint => n * 1000n;
const sats = (n: bigint): string => `${n.toLocaleString("en-US")} sat`;

const expect = (what: string, holds: boolean): void => {
  if (!holds) throw new Error(`it is not so that ${what}`);
};

/** An invoice made and paid; how long it took, for people. */
const pay = async (
  scene: Scene,
  from: Resident,
  to: Resident,
  msat: bigint,
): Promise<{ readonly took: string }> => {
  const { invoice } = await to.node.invoice({ msat, description: "demo" });
  const begun = performance.now();
  await from.node.pay({ invoice });
  scene.tally.payments++;
  return { took: `${Math.round(performance.now() - begun)} ms` };
};

const channelBetween = async (a: Resident, b: Resident) => {
  const channel = (await a.node.channels()).find(({ node }) => node === b.node.id);
  if (channel === undefined) throw new Error(`${a.name} has no channel with ${b.name}`);
  return channel;
};

const payments = async (scene: Scene): Promise<void> => {
  const { timeline, alice, bob, carol } = scene;
  await timeline.step(
    "Bob pays Carol 25,000 sat",
    () => pay(scene, bob, carol, sat(25_000n)),
    (it) => ({ ...it }),
  );
  await timeline.step(
    "Alice pays Bob 30,000 sat",
    () => pay(scene, alice, bob, sat(30_000n)),
    (it) => ({ ...it }),
  );
  await timeline.step(
    "Alice pays Carol 40,000 sat through Bob, who has no keys",
    async () => {
      const before = bob.events.filter(({ is }) => is === "paymentForwarded").length;
      const { took } = await pay(scene, alice, carol, sat(40_000n));
      const forwarded = await until(
        "the forward",
        () => bob.events.filter(({ is }) => is === "paymentForwarded")[before],
      );
      return { took, "Bob earned": forwarded.is === "paymentForwarded" ? `${forwarded.feeMsat} msat` : "" };
    },
    (it) => it,
  );
};

/** The thief has Bob's machine. */
const thefts = async (scene: Scene): Promise<void> => {
  const { timeline, signer, bob, carol, tally } = scene;
  const { funding = "" } = await channelBetween(bob, carol);
  timeline.say("Now Bob's machine is in the hands of a thief, who has Carol as an accomplice.");
  const loots = await timeline.step(
    "THEFT TRIED, and refused by the signer",
    () => steal({ bundle: signer.bundle, directory: bob.directory, funding }),
    (found) => ({ attempts: found.length }),
  );
  for (const { tried, refusal } of loots) {
    tally.refusals++;
    await timeline.step(
      `refused by ${refusal.rule}: ${tried}`,
      async () => refusal,
      ({ sentence, facts }) => ({
        rule: sentence,
        facts: shownFacts(facts),
      }),
    );
  }
  await timeline.step("the honest Bob goes on: pays Carol 1,000 sat", () =>
    pay(scene, bob, carol, sat(1_000n)),
  );
};

const approval = async (scene: Scene): Promise<void> => {
  const { timeline, signer, bob, carol, tally } = scene;
  const { invoice } = await carol.node.invoice({ msat: sat(150_000n), description: "a bicycle" });
  await timeline.step(
    "Bob is to pay 150,000 sat: more than the policy allows without a person",
    async () => {
      const refused = await bob.node.pay({ invoice }).then(
        () => undefined,
        (error: Error) => error,
      );
      expect("the payment waits", refused !== undefined);
      tally.refusals++;
      return refused;
    },
    (error) => ({ answer: error?.message ?? "" }),
  );
  await timeline.step(
    "a person approves it",
    async () => {
      const dir = ["--dir", signer.directory];
      const { approvals } = JSON.parse(await signer.command("approvals", "list", "--json", ...dir)) as {
        approvals: { id: string; amount: string }[];
      };
      const [one] = approvals;
      if (one === undefined) throw new Error("nothing waits for a person");
      await signer.command("approvals", "approve", one.id, ...dir);
      return one;
    },
    ({ id }) => ({ command: `countersign approvals approve ${id.slice(0, 16)}` }),
  );
  await timeline.step("Bob pays it", async () => {
    await bob.node.pay({ invoice });
    scene.tally.payments++;
  });
};

/** The person at the device has the last word. */
const button = async (scene: Scene, device: DemoDevice): Promise<void> => {
  const { timeline, bob, carol, tally } = scene;
  const { invoice } = await carol.node.invoice({ msat: sat(150_000n), description: "a bicycle" });
  device.tell("consent nothing");
  await timeline.step(
    "Bob is to pay 150,000 sat; at the device somebody says no",
    async () => {
      const refused = await bob.node.pay({ invoice }).then(
        () => undefined,
        (error: Error) => error,
      );
      expect("the payment was denied", refused !== undefined);
      tally.refusals++;
      return refused;
    },
    (error) => ({ answer: error?.message ?? "" }),
  );
  device.tell("consent all");
  const again = await carol.node.invoice({ msat: sat(150_000n), description: "a bicycle, really" });
  await timeline.step("Bob pays another 150,000 sat: held on the device's buttons", async () => {
    await bob.node.pay({ invoice: again.invoice });
    tally.payments++;
  });
};

const powerCut = async (scene: Scene, device: DemoDevice): Promise<void> => {
  const { timeline, alice, bob, carol, tally } = scene;
  await timeline.step(
    "the device loses its power in the middle of a forward, and is unlocked again with its PIN",
    async () => {
      const { invoice } = await carol.node.invoice({ msat: sat(8_000n), description: "power cut" });
      const paid = alice.node.pay({ invoice });
      paid.catch(() => {});
      await until("a payment under way", async () =>
        (await bob.node.channels()).some(({ htlcs }) => htlcs > 0),
      );
      await device.kill();
      tally.crashes++;
      await device.start();
      await paid;
      tally.payments++;
    },
  );
};

const crash = async (scene: Scene): Promise<void> => {
  const { timeline, signer, alice, bob, carol, tally } = scene;
  await timeline.step(
    "the signer is killed (SIGKILL) in the middle of three payments",
    async () => {
      const ways = [
        [bob, carol, sat(5_000n)],
        [alice, bob, sat(6_000n)],
        [alice, carol, sat(7_000n)],
      ] as const;
      const invoices = await Promise.all(
        ways.map(([, to, msat]) => to.node.invoice({ msat, description: "crash" })),
      );
      let done = 0;
      const paid = ways.map(async ([from], i) => {
        await from.node.pay({ invoice: invoices[i]?.invoice ?? "" });
        done++;
      });
      const all = Promise.all(paid);
      all.catch(() => {});
      await until("a payment under way", async () =>
        (await bob.node.channels()).some(({ htlcs }) => htlcs > 0),
      );
      await signer.kill();
      tally.crashes++;
      const before = done;
      expect("a payment was under way", before < ways.length);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect("nothing was paid without a signer", done === before);
      await signer.start();
      await all;
      tally.payments += ways.length;
      return { "under way": ways.length - before, "paid after its restart": ways.length - before };
    },
    (it) => it,
  );
};

const close = async (scene: Scene): Promise<void> => {
  const { timeline, town, alice, bob } = scene;
  await timeline.step(
    "Bob and Alice close their channel together",
    async () => {
      const { channel, outboundMsat } = await channelBetween(bob, alice);
      const before = (await bob.node.balance()).wallet.confirmed;
      await bob.node.close({ channel, node: alice.node.id });
      await until("the closing transaction", () => town.chain.pool().length > 0);
      await town.mine(1);
      await until(
        "the close",
        async () => !(await bob.node.channels()).some((one) => one.channel === channel),
      );
      const due = outboundMsat / 1000n;
      const brought = await until("Bob's share in the wallet", async () => {
        if (town.chain.pool().length > 0) await town.mine(1);
        const { sweepingSat, wallet } = await bob.node.balance();
        const now = wallet.confirmed - before;
        if (now < due - 5_000n) await town.mine(sweepingSat > 0n ? 1 : 6);
        return now >= due - 5_000n ? now : undefined;
      });
      return { "to Bob's wallet": sats(brought) };
    },
    (it) => it,
  );
};

const idOf = (funding: string): { readonly txid: Txid; readonly index: number } => {
  const [id = "", index = ""] = funding.split(":");
  return { txid: txid(fromHex(id).reverse()), index: Number(index) };
};

const breach = async (scene: Scene): Promise<void> => {
  const { timeline, town, bob } = scene;
  const { channel, funding = "", valueSat } = await channelBetween(bob, scene.carol);
  const loot = join(scene.directory, "carol-before");
  await timeline.step("Carol keeps a copy of her state, then pays Bob 120,000 sat", async () => {
    await town.leave("carol");
    cpSync(join(scene.directory, "carol"), loot, { recursive: true });
    scene.carol = await town.settle("carol");
    await town.connect(bob, scene.carol);
    await until("the channel", async () => (await channelBetween(bob, scene.carol)).isUsable);
    await pay(scene, scene.carol, bob, sat(120_000n));
  });
  const before = (await bob.node.balance()).wallet.confirmed;
  await timeline.step("CAROL CHEATS: publishes the old commitment, which she has revoked", async () => {
    await town.leave("carol");
    scene.carol = await town.settle("carol", loot);
    await scene.carol.node.forceClose({ channel, node: bob.node.id });
    await until("her commitment", () => town.chain.spender(idOf(funding)));
    await town.mine(1);
  });
  await timeline.step(
    "punished: with the signer's keys Bob takes all of the channel",
    async () => {
      // Most of it: what is left are the fees of the old commitment and of the punishment.
      const due = valueSat - 15_000n;
      const taken = await until("the whole channel in Bob's wallet", async () => {
        await town.mine(1);
        const now = (await bob.node.balance()).wallet.confirmed - before;
        return now >= due ? now : undefined;
      });
      const spend = town.chain.spender(idOf(funding));
      const raw = spend === undefined ? undefined : town.chain.transaction(spend.txid)?.raw;
      const outputs = raw === undefined ? 0 : decodeTx(raw).tx.outputs.length;
      return {
        channel: sats(valueSat),
        "to Bob's wallet": sats(taken),
        "outputs of her commitment": outputs,
      };
    },
    (it) => it,
  );
};

export interface PlayOptions {
  readonly timeline: Timeline;
  readonly directory: string;
  /** Bob's keys are on a device in software. */
  readonly onDevice: boolean;
  readonly onProcess: OnProcess;
}

export const play = async ({ timeline, directory, onDevice, onProcess }: PlayOptions): Promise<Tally> => {
  const tally: Tally = { payments: 0, refusals: 0, crashes: 0 };
  const town = openTown(directory);
  let signer: DemoSigner | undefined;
  const device = onDevice
    ? makeDevice({
        directory: join(directory, "device"),
        onAsked: (lines) => timeline.screen(lines),
        onProcess,
      })
    : undefined;
  try {
    if (device !== undefined)
      await timeline.step("a device in a process of its own: flash, a screen, two buttons", () =>
        device.start(),
      );
    const made = await timeline.step(
      device === undefined
        ? "a signer in a process of its own: seed, certificates, policy"
        : "a signer in a process of its own, paired with the device: six digits on both, then PIN, seed and words there",
      async () => {
        const one = await makeSigner({
          directory: join(directory, "signer"),
          ...(device === undefined ? {} : { device }),
          policy: { unattendedPayment: Number(sat(100_000n)) },
          onProcess,
        });
        signer = one;
        await one.start();
        return one;
      },
      (one) => ({ node: one.node, process: one.pid() ?? 0 }),
    );
    const [alice, bob, carol] = await timeline.step(
      "three LDK nodes on a regtest chain: Alice, Bob, Carol. Bob has no keys",
      async () => {
        const all = await Promise.all([
          town.settle("alice"),
          town.settleKeyless("bob", made.bundle),
          town.settle("carol"),
        ]);
        expect("Bob's node id is the signer's", all[1].node.id === made.node);
        return all;
      },
      ([, { node }]) => ({ "Bob is": node.id }),
    );
    const scene: Scene = { town, signer: made, device, timeline, tally, alice, bob, carol, directory };
    await timeline.step("coins for their wallets", () => fund(town, [alice, bob, carol], 3));
    await timeline.step("Alice opens a channel of 1,000,000 sat to Bob", async () => {
      await town.connect(alice, bob);
      return await openChannel(town, [alice, bob], { valueSat: 1_000_000n, pushMsat: sat(200_000n) });
    });
    await timeline.step(
      "Bob opens a channel of 1,000,000 sat to Carol: his wallet's keys are the signer's too",
      async () => {
        await town.connect(bob, carol);
        return await openChannel(town, [bob, carol], { valueSat: 1_000_000n, pushMsat: sat(200_000n) });
      },
    );
    await payments(scene);
    await thefts(scene);
    await (device === undefined ? approval(scene) : button(scene, device));
    await crash(scene);
    if (device !== undefined) await powerCut(scene, device);
    await close(scene);
    await breach(scene);
    const honest = bob.events.filter(({ is }) => is === "refused");
    await timeline.step("nothing that the honest Bob asked for was refused", async () =>
      expect(`no refusal is among ${JSON.stringify(honest)}`, honest.length === 0),
    );
    return tally;
  } finally {
    await town.close();
    await signer?.stop();
    await device?.stop();
  }
};
