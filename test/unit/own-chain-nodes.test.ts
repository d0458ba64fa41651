/** Nodes of one signer that follow one source: what is wrong with one of them is no other's. */

import { expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { observe } from "../../chain/observe.ts";
import type { Name, Reply } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { feerate } from "../../protocol/units.ts";
import { openOwnChain } from "../../signer/chain/own.ts";
import type { Session } from "../../signer/core/session.ts";
import { keysAway } from "../../signer/device/away.ts";
import type { Line } from "../../signer/log.ts";
import { ask } from "../scripted/channel.ts";
import { rig } from "../scripted/road.ts";

test("a node whose device is away is behind, says so, and holds up nobody else", async () => {
  const chain = openChain();
  chain.mine(5);
  const options = { time: () => Math.floor(Date.now() / 1000), chain: { own: true } } as const;
  const [well, other] = [await rig(options), await rig(options)];
  let isAway = true;
  const { refusal } = keysAway("desk", "unplugged", "");
  const away: Session = {
    ...other.session,
    node: Uint8Array.from(other.session.node, (byte, at) => (at === 5 ? byte ^ 1 : byte)) as Session["node"],
    respond: async (request, host) => {
      if (isAway && request.name === "chainConnect") return { is: "refusal", refusal };
      const body = { ...request.body, node: other.session.node };
      return other.session.respond({ ...request, body } as typeof request, host);
    },
  };
  const lines: Line[] = [];
  const { source } = chain;
  const observer = observe({ source, everyMs: 20, retry: { firstMs: 20, mostMs: 50 } });
  const own = openOwnChain({
    ...{ source, observer, retryMs: 30, patienceMs: 2_000 },
    log: { write: (line) => void lines.push(line), close: () => {} },
    nodes: [well.session, away].map((session) => ({ session, maxFeerate: feerate(10_000) })),
  });
  const reply = async <N extends Name>(session: Session, name: N): Promise<Reply<N>> => {
    const outcome = (await own.respond(
      session,
      ask(name, { node: session.node } as never),
      "admin",
    )) as Outcome<N>;
    if (outcome.is === "reply") return outcome.reply;
    throw new Error(JSON.stringify(outcome));
  };
  const stands = async (session: Session) => {
    const { alarms, chain: seen } = await reply(session, "status");
    const { trouble } = await reply(session, "chainSource");
    return {
      height: seen.height,
      isTroubled: trouble !== "",
      told: alarms.filter((one) => one.includes("desk")).length,
    };
  };
  try {
    await expect
      .poll(() => stands(well.session), { timeout: 10_000 })
      .toEqual({ height: 5, isTroubled: false, told: 0 });
    await expect.poll(() => stands(away), { timeout: 10_000 }).toMatchObject({ isTroubled: true, told: 1 });
    chain.mine(2);
    await expect
      .poll(() => stands(well.session), { timeout: 10_000 })
      .toEqual({ height: 7, isTroubled: false, told: 0 });
    expect(own.trouble()).toContain("desk");
    isAway = false;
    await expect
      .poll(() => stands(away), { timeout: 10_000 })
      .toEqual({ height: 7, isTroubled: false, told: 0 });
    expect(own.trouble()).toBeUndefined();
    expect(new Set(lines.flatMap((line) => (line.event === "chain-followed" ? [line.node] : []))).size).toBe(
      2,
    );
  } finally {
    await own.close();
  }
});
