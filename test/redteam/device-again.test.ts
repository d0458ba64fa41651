/** Red-team 13: what a stolen signer still takes from a device without its person, and one device from the nodes of others. */

import { describe, expect, test } from "vitest";
import { concat } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { type CoreAnswer, decodeCoreAnswer, encodeCoreAnswer } from "../../protocol/device/core.ts";
import { forCore } from "../../protocol/device/requests.ts";
import type { Link } from "../../protocol/link.ts";
import type { Terms } from "../../protocol/operations/fields.ts";
import { packReply, unpackReply } from "../../protocol/operations/index.ts";
import { feerate, type NodeId } from "../../protocol/units.ts";
import { openDeviceKeyring } from "../../signer/device/keyring.ts";
import { openShelf } from "../../signer/device/shelf.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { invoiceBill } from "../honest/invoices.ts";
import { add, htlcOf, plainTerms } from "../scripted/channel.ts";
import { deviceBench } from "../scripted/device.ts";
import { keyringOf } from "../scripted/device-rig.ts";
import { day, judged, opened, pays } from "../scripted/device-setting.ts";
import { curve, plainTime, rig } from "../scripted/road.ts";
import { carol, evenTerms, scene } from "../scripted/scene.ts";
import { attack, honest } from "../scripted/tally.ts";
import { alice } from "../unit/bolt12-messages.ts";

describe("a payee that is paid without a word", () => {
  const payee = curve.publicKey(alice) as NodeId;

  test("is paid an invoice once, also where it outlasts what the records keep", async () => {
    const setting = await opened({ payees: [payee] });
    const { core, node, on } = setting;
    const label = "shop";
    const what = { label, node, amount: 20_000_000n, feeLimit: 0n, now: plainTime, expiry: 30 * day };
    const { proposal } = invoiceBill(what);
    const htlc = htlcOf("holder", 20_000_000n, label);
    expect(await judged(core, "proposePayment", proposal)).toMatchObject({ reply: { standing: "approved" } });
    const once = await pays(setting, { n: 1n, now: on.start }, htlc, label);
    expect(once.outcome.is).toBe("reply");
    // Some days ahead another payment to it makes the device forget this one, whose preimage all on its way have seen.
    const later = plainTime + 3 * day;
    const other = invoiceBill({ ...what, label: "other", amount: 1_000n, now: later, expiry: 3_600 });
    await judged(core, "proposePayment", other.proposal, later);
    await attack("the same invoice again, to whoever knows its preimage", async () => {
      await judged(core, "proposePayment", proposal, later);
      const { sign } = await on.at(once.n, add(once.now, htlc));
      expect(await judged(core, "signCounterpartyCommitment", sign, later)).toMatchObject({ is: "refusal" });
    });
  });
});

describe("an honest owner", () => {
  test("is asked about the channel whose forward waits, not about all that strangers said they would fund", async () => {
    const { core, on, says } = await opened();
    says.yes = true;
    const terms = plainTerms({ opener: "counterparty" });
    for (let i = 0; i < 5; i++) await scene({ signer: on.signer, label: `never ${i}`, terms, peer: carol });
    const real = await scene({ signer: on.signer, label: "real", terms, peer: carol });
    await real.advance(0n, real.start);
    await real.advance(1n, add(real.start, htlcOf("counterparty", 300_000n, "h1", 400)));
    says.yes = false;
    const before = core.asked.length;
    await core.ask({ is: "vouch", step: core.step });
    await honest(() => {
      expect(core.asked.length - before).toBeLessThanOrEqual(2);
    });
  });
});

describe("a device that lies breaks its own node's requests, and no session", () => {
  type Lie = (answer: CoreAnswer) => CoreAnswer;

  const few = (): Terms => {
    const { holder } = evenTerms();
    return evenTerms({ holder: { ...holder, maxAcceptedHtlcs: 50 } });
  };

  /** A fault of one session stops all nodes; of code `keyring` alone it is the device's own matter. */
  const session = async (lie: Lie) => {
    const bench = await deviceBench();
    const state = { lies: false };
    const connect = async (): Promise<Link> => {
      const link = await bench.connect();
      return {
        ...link,
        ask: async (bytes, options) => {
          const answer = await link.ask(bytes, options);
          if (!state.lies || answer[0] !== forCore) return answer;
          return concat(Uint8Array.of(forCore), encodeCoreAnswer(lie(decodeCoreAnswer(answer.subarray(1)))));
        },
      };
    };
    const store = grouped(memoryDisk().open());
    const keyring = openDeviceKeyring({
      ...{ name: "liar", network: "regtest", tier: "full", index: 0, passphrase: false, connect },
      node: keyringOf().node as NodeId,
      shelf: await openShelf(store, new Uint8Array(32)),
      now: () => plainTime,
      witness: () => 0,
      onState: () => {},
      report: () => {},
      times: { patienceMs: 500, retryMs: 5 },
    });
    const signer = await rig({ watch: () => keyring, proposes: false, second: true });
    await expect.poll(() => keyring.state(), { timeout: 5_000 }).toBe("open");
    return {
      signer,
      state,
      node: keyring.node,
      close: async () => {
        await keyring.close();
        await bench.close();
      },
    };
  };

  test("with a signature too few", async () => {
    const { signer, state, close } = await session((answer) => {
      if (answer.is !== "reply") return answer;
      const { name } = unpackReply(answer.reply);
      return name === "spend" ? { ...answer, reply: packReply("spend", { signatures: [] }) } : answer;
    });
    try {
      const on = await scene({ signer, terms: few() });
      await on.advance(0n, on.start);
      state.lies = true;
      await attack("all other nodes", async () => {
        const { node, channel } = on.opened;
        const exit = { node, channel, preimages: [], feerate: feerate(1_000), confirmed: unknown } as const;
        await signer.outcome("exit", exit);
        expect(["keyring", undefined]).toContain(signer.session.fault()?.code);
      });
    } finally {
      await close();
    }
  });
});
