import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import { type ChannelId, height, msat, sat, type Txid } from "../../protocol/units.ts";
import type { Onchain, Output } from "../../signer/core/chain/onchain.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import type { ChainView } from "../../signer/core/chain/view.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import type { ChannelState } from "../../signer/core/state.ts";
import { unwatched, type View } from "../../signer/core/step.ts";
import { forget } from "../../signer/core/steps/forget.ts";
import { htlcOf, plainTerms } from "../scripted/channel.ts";

const id = 7n as ChannelId;
const txid = new Uint8Array(32).fill(4) as Txid;

const variant = (changes: object = {}) => ({
  ...{ hash: txid, number: 0n, htlcs: [], trimmed: [], settled: [], balance: { low: 0n, high: 0n } },
  ...changes,
});

interface Scene {
  readonly contribution?: bigint;
  readonly push?: bigint;
  readonly holder?: readonly object[];
  readonly counterparty?: readonly object[];
  readonly revealed?: bigint;
  readonly revoked?: bigint;
  readonly onchain?: Onchain;
  /** Undefined: no chain is followed. */
  readonly tip?: number;
}

const channelOf = ({
  contribution = 0n,
  push = 0n,
  holder = [],
  counterparty = [],
  revealed = 0n,
  revoked = 0n,
}: Scene) =>
  ({
    phase: "open",
    setup: {
      terms: { ...plainTerms({ opener: "counterparty" }), contribution: sat(contribution), push: msat(push) },
    },
    holder: { variants: holder, revealed, broadcast: [] },
    counterparty: { variants: counterparty, revoked },
  }) as unknown as ChannelState;

const viewAt = (tip: number): ChainView => {
  const view = startAt("regtest");
  return {
    ...view,
    blocks: view.blocks.map((block) => ({ ...block, at: { ...block.at, height: height(tip) } })),
  };
};

const viewOf = (scene: Scene, channel: ChannelState | undefined): View =>
  ({
    channel,
    chain: {
      view: scene.tip === undefined ? undefined : viewAt(scene.tip),
      onchain: new Map(scene.onchain === undefined ? [] : [[id, scene.onchain]]),
    },
    ...{ outlook: unwatched, payments: new Map(), ledger: { channelsOf: () => new Set() }, node: {}, now: 0 },
  }) as unknown as View;

const settings = { policy: defaultPolicy("regtest") };

const decide = (scene: Scene, channel: ChannelState | undefined = channelOf(scene)) =>
  forget.decide({ body: { node: txid, channel: id }, view: viewOf(scene, channel), settings } as never);

const asked = (scene: Scene): string => {
  const decision = decide(scene);
  return decision.is === "refused"
    ? [decision.refusal.rule, ...decision.refusal.facts.map(({ name, value }) => `${name} ${value}`)].join(
        ", ",
      )
    : decision.is;
};

const no = "channel-settled, channel 7, followed false";
const htlc = htlcOf("counterparty", 1_000n, "x");

describe("a channel that never came to be is forgotten without a chain", () => {
  test("where the other side funds it, and no commitment pays us anything", () => {
    expect(asked({})).toBe("kept");
    expect(asked({ holder: [variant()], counterparty: [variant(), variant({ trimmed: unknown })] })).toBe(
      "kept",
    );
    for (const ours of [{ balance: { low: 0n, high: 1n } }, { htlcs: [htlc] }, { trimmed: [htlc] }]) {
      expect(asked({ holder: [variant(), variant(ours)] })).toBe(no);
      expect(asked({ counterparty: [variant(ours), variant()] })).toBe(no);
    }
    expect(asked({ push: 1n })).toBe(no);
  });

  test("where we fund it, as long as no commitment of ours lets us sign for that", () => {
    expect(asked({ contribution: 1n })).toBe("kept");
    expect(asked({ contribution: 1n, counterparty: [variant()] })).toBe("kept");
    expect(asked({ contribution: 1n, holder: [variant()] })).toBe(no);
    expect(asked({ contribution: 1n, holder: [], revealed: 1n })).toBe(no);
    // A second one of theirs may have brought something in.
    expect(asked({ contribution: 1n, counterparty: [variant(), variant({ number: 1n })] })).toBe(no);
    expect(asked({ contribution: 1n, counterparty: [variant()], revoked: 1n })).toBe(no);
  });

  test("but not once the chain has anything of it", () => {
    const close = {
      txid,
      height: height(5),
      closer: { is: "mutual" },
      delayed: new Uint8Array(0),
      outputs: [],
    };
    for (const onchain of [
      { funding: { is: "confirmed", height: height(3) }, close: undefined },
      { funding: { is: "unseen" }, close },
    ])
      expect(asked({ onchain: onchain as unknown as Onchain })).toBe(no);
  });
});

test("where no chain is followed somebody may say that a channel is over; where one is, nobody", () => {
  const busy = { contribution: 1n, holder: [variant()] };
  const said = (scene: Scene, over: bigint) =>
    forget.decide({
      body: { node: txid, channel: id },
      view: viewOf(scene, channelOf(scene)),
      settings: { ...settings, isOver: (channel: bigint) => channel === over },
    } as never).is;
  expect([said(busy, id), said(busy, 8n)]).toEqual(["kept", "refused"]);
  expect(said({ ...busy, tip: 9_000 }, id)).toBe("refused");
});

describe("a channel on the chain is forgotten", () => {
  const outputs: Output[] = [
    {
      ...{ outpoint: { txid, index: 0 }, value: sat(9n), role: { is: "htlc", htlc } },
      ...{ height: height(500), spent: { txid, height: height(600), way: { is: "timeout" } } },
    },
  ];
  const closed = (spent: boolean): Onchain => ({
    funding: { is: "confirmed", height: height(1) },
    close: {
      ...{ txid, height: height(500), closer: { is: "holder", number: 0n as never, content: txid } },
      delayed: new Uint8Array(0) as never,
      outputs: outputs.map((output) => (spent ? output : { ...output, spent: undefined })),
    },
  });
  const busy = { contribution: 1n, holder: [variant()] };

  test("when its close and every output of ours are irrevocably resolved", () => {
    expect(asked({ ...busy, onchain: closed(true), tip: 699 })).toBe("kept");
    expect(asked({ ...busy, onchain: closed(true), tip: 698 })).toBe(
      "channel-settled, channel 7, closedAt 500, tip 698",
    );
    expect(asked({ ...busy, onchain: closed(false), tip: 9_000 })).toContain("closedAt 500");
  });

  test("when what lies at its funding outpoint was never the channel's", () => {
    const false_ = { funding: { is: "false", height: height(500) }, close: undefined } as const;
    expect(asked({ ...busy, onchain: false_, tip: 599 })).toBe("kept");
    expect(asked({ ...busy, onchain: false_, tip: 598 })).toBe("channel-settled, channel 7, funding false");
    const open = { funding: { is: "confirmed", height: height(5) }, close: undefined } as const;
    expect(asked({ ...busy, onchain: open, tip: 9_000 })).toBe(
      "channel-settled, channel 7, funding confirmed",
    );
    expect(asked({ ...busy, tip: 9_000 })).toBe("channel-settled, channel 7, funding unseen");
  });
});

test("what is forgotten leaves its id, and nothing on the chain is followed for it", () => {
  const changeOf = (channel: ChannelState | undefined) => {
    const decision = decide({}, channel);
    return decision.is === "kept" ? decision.change : decision.is;
  };
  expect(changeOf(channelOf({}))).toEqual({
    ...{ channel: { phase: "forgotten" }, onchain: new Map([[id, undefined]]) },
  });
  expect(changeOf({ phase: "stub" })).toEqual({ channel: { phase: "forgotten" } });
  expect(changeOf({ phase: "forgotten" })).toEqual({});
  const nobody = forget.decide({ body: { channel: id }, view: viewOf({}, undefined), settings } as never);
  expect(nobody).toMatchObject({ is: "refused", refusal: { rule: "channel-known" } });
});
