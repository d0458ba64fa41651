/** Where nothing more can be remembered nothing is signed that would have to be; and what no point is known of is not rebuilt. */

import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { packRequest, type Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, type Outpoint, paymentHash } from "../../protocol/units.ts";
import { maxIssued } from "../../signer/core/issued.ts";
import { knownOf } from "../../signer/core/known.ts";
import { keyOf, maxForeign, type OutpointState } from "../../signer/core/outpoints.ts";
import { reading } from "../../signer/core/rules/node.ts";
import { claimsOf } from "../../signer/core/spend/channel.ts";
import type { Payment } from "../../signer/core/state.ts";
import { signBolt12, signInvoice } from "../../signer/core/steps/invoice.ts";
import { spend } from "../../signer/core/steps/spend.ts";
import { fundingOf, start } from "../scripted/channel.ts";
import { askInvoice, invoiceOf } from "../scripted/node.ts";
import { curve, rig } from "../scripted/road.ts";
import { scene } from "../scripted/scene.ts";
import { foreignCoin, spending, toWallet, verdicts, walletCoin, withSaid } from "../scripted/spends.ts";
import { keyOf as bolt12Key, bytesOf, refundInvoice } from "./bolt12-messages.ts";
import { alice, testChannel } from "./chain-channel.ts";
import { issuedUntil, now, paymentOf, settingsOf, turnOf, viewOf } from "./payments.kit.ts";

const counted = (at: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, at);
  return bytes;
};

describe("an invoice beside as many as are remembered", () => {
  const many = Array.from({ length: maxIssued }, (_, at): [string, Payment] => [
    toHex(counted(at)),
    { ...paymentOf({ issued: issuedUntil(now) }), hash: paymentHash(counted(at)) },
  ]);
  const waits = { is: "refused", refusal: { rule: "invoice-is-ours", final: false } };
  const rooms = [viewOf([], { payments: new Map(many) }), viewOf([])] as const;

  test("of BOLT 11 waits until one of them has expired", () => {
    const node = bolt12Key(0x41) as Request<"signInvoice">["node"];
    const settings = settingsOf({}, { curve });
    const [full, free] = rooms.map((view) =>
      signInvoice.decide(turnOf(askInvoice(node, invoiceOf({})), view, { settings })),
    );
    expect(full).toMatchObject(waits);
    expect(free?.is).toBe("signed");
  });

  test("of BOLT 12 too", () => {
    const body = {
      ...{ node: bolt12Key(0x41), message: "invoice", stream: bytesOf.invoice(refundInvoice) },
      ...{ root: unknown, tweak: unknown },
    } as unknown as Request<"signBolt12">;
    const settings = settingsOf({}, { curve, network: "bitcoin" });
    const [full, free] = rooms.map((view) => signBolt12.decide(turnOf(body, view, { settings })));
    expect(full).toMatchObject(waits);
    expect(free?.is).toBe("signed");
  });

  test("is brought as a stream or as a root", () => {
    const asked = (stream: unknown, root: unknown) => () =>
      signBolt12.decide(
        turnOf({ message: "invoice", stream, root, tweak: unknown } as Request<"signBolt12">, viewOf([])),
      );
    const bytes = counted(1);
    expect(asked(unknown, unknown)).toThrow(/^root: either this/);
    expect(asked(bytes, bytes)).toThrow(/^root: either this/);
  });
});

describe("a spend beside somebody else's input", () => {
  const built = async (said: Parameters<typeof withSaid>[1] = {}) => {
    const signer = await rig();
    const own = await walletCoin(signer, 50_000n);
    const other = withSaid(foreignCoin(20_000n), said);
    const made = spending(signer.session.node, [own, other], [await toWallet(signer, 49_500n)]);
    return { signer, made };
  };

  test("waits for room, because whose it is is remembered", async () => {
    const { signer, made } = await built();
    const known = await knownOf(signer.keyring, spend.needs?.(made.body, new Map()));
    const outpoints = (count: number) =>
      new Map(
        Array.from({ length: count }, (_, at): [string, OutpointState] => {
          const outpoint = { txid: counted(at), index: 0 } as unknown as Outpoint;
          const nothing = { value: unknown, foreign: true, funds: [], fees: 0n, sent: 0n, at: now } as const;
          return [keyOf(outpoint), { ...nothing, outpoint }];
        }),
      );
    const asked = (count: number) =>
      spend.decide({
        ...turnOf<"spend", undefined>(made.body, viewOf([], { outpoints: outpoints(count) }), {
          settings: settingsOf({}, { curve }),
        }),
        known,
      });
    expect(asked(maxForeign)).toMatchObject({
      ...{ is: "refused", refusal: { rule: "onchain-input-value-proven" } },
    });
    expect(asked(maxForeign - 1).is).toBe("signed");
  });

  test("needs to know of it what its own signatures commit to, and no more", async () => {
    const { signer, made } = await built({ value: unknown, script: unknown });
    expect(verdicts(made, await signer.call("spend", made.body))).toEqual([undefined]);
  });
});

test("of our own commitments those are rebuilt whose point is known, and of theirs all", () => {
  const channel = testChannel();
  const now = start(channel.terms);
  const live = channel.live({ holder: [[3n, now]], counterparty: [[5n, now]] });
  const [ours, theirs] = [channel.publish("holder", 3n, now), channel.publish("counterparty", 5n, now)];
  const origins = (known: boolean) => {
    const claims = claimsOf(0n as never, live, curve, (number) => (known ? alice.point(number) : undefined));
    return [ours, theirs].map(({ commitment }) => claims.originOf(commitment.txid)?.number);
  };
  expect(origins(true)).toEqual([3n, 5n]);
  expect(origins(false)).toEqual([undefined, 5n]);
  const claims = claimsOf(0n as never, live, curve, () => alice.point(commitmentNumber(3n)));
  expect(claims.originOf(fundingOf("nobody's").txid)).toBeUndefined();
});

test("a defect that shows while a host's bytes are read is not said of them", () => {
  const failing = (error: Error) => () =>
    reading(() => {
      throw error;
    });
  expect(failing(new Malformed("fields", "too many"))()).toEqual({
    facts: { unread: "fields", reason: "too many" },
  });
  expect(failing(new TypeError("a defect"))).toThrow(TypeError);
});

describe("a dry run in a signer that breaks", () => {
  const defective = async () => {
    let broken = false;
    const signer = await rig({
      verify: async (jobs) => {
        if (broken) throw new TypeError("a defect");
        return curve.verifyBatch(jobs);
      },
    });
    const on = await scene({ signer, label: "defect" });
    const { validate } = await on.at(0n, on.start);
    const request = packRequest("validateHolderCommitment", validate);
    return { signer, validate, request, breaks: () => (broken = true) };
  };

  test("is a fault where it finds the defect, and nobody's malformed request", async () => {
    const { signer, request, breaks } = await defective();
    const { node } = signer.session;
    expect((await signer.call("explain", { node, request })).verdict).not.toBe("malformed");
    breaks();
    expect((await signer.outcome("explain", { node, request })).is).toBe("fault");
    expect(signer.faults.map(String)).toEqual(["TypeError: a defect"]);
  });

  test("is one where it waited for a request that broke it", async () => {
    const { signer, validate, request, breaks } = await defective();
    const { node } = signer.session;
    breaks();
    const all = await Promise.all([
      signer.outcome("validateHolderCommitment", validate),
      signer.outcome("new", { node, wanted: unknown }),
      signer.outcome("explain", { node, request }),
    ]);
    expect(all.map(({ is }) => is)).toEqual(["fault", "fault", "fault"]);
    expect(signer.faults.length).toBe(1);
  });
});
