/** Channels that end on the chain. */

import { cpSync } from "node:fs";
import { join } from "node:path";
import {
  closeByForce,
  hold,
  link,
  pairOf,
  pay,
  rest,
  type Scenes,
  type TestNode,
  type Town,
  until,
} from "../town.ts";

const balance = ({ engine }: TestNode): bigint => engine.coins.balance().confirmed;

/** The keyless node has the preimage of what came in, and bob keeps silent about what went out. */
const forceOf = (by: "keyless" | "bob", anchors: boolean) => async (town: Town) => {
  const { keyless, bob } = await pairOf(town, { anchors });
  const [ofKeyless, ofBob] = [hold(keyless), hold(bob)];
  pay(keyless, bob, 60_000_000n).catch(() => undefined);
  pay(bob, keyless, 80_000_000n).catch(() => undefined);
  await until("both HTLCs", () => ofKeyless.held.length === 1 && ofBob.held.length === 1);
  const before = balance(keyless);
  await closeByForce(town, by === "keyless" ? keyless : bob, by === "keyless" ? bob : keyless);
  await town.mine(1);
  await ofKeyless.claim();
  await rest(200);
  await town.pass(12, 3);
  // The HTLC that went out expires, and what is delayed comes home.
  for (let i = 0; i < 12 && balance(keyless) < before + 460_000n; i++) {
    await town.pass(40, 40);
    await rest(150);
  }
  if (balance(keyless) < before + 460_000n)
    throw new Error(`only ${balance(keyless) - before} sat came home`);
};

/** Bob publishes what he has revoked. */
const breach = async (town: Town): Promise<void> => {
  const { keyless, bob } = await pairOf(town);
  const [ofKeyless, ofBob] = [hold(keyless), hold(bob)];
  pay(keyless, bob, 9_000_000n).catch(() => undefined);
  pay(bob, keyless, 8_000_000n).catch(() => undefined);
  await until("both HTLCs", () => ofKeyless.held.length === 1 && ofBob.held.length === 1);
  await town.stop(bob);
  cpSync(join(town.home, "bob"), join(town.home, "thief"), { recursive: true });
  const again = await town.peer("bob");
  await link(keyless, again);
  await until("usable", () => keyless.channels()[0]?.get_is_usable());
  await ofKeyless.claim();
  await pay(keyless, again, 100_000_000n);
  const before = balance(keyless);
  await town.stop(again);
  const thief = await town.peer("thief", {}, "bob");
  await closeByForce(town, thief, keyless);
  for (let i = 0; i < 20 && balance(keyless) < before + 900_000n; i++) {
    await town.pass(2, 1);
    await rest(150);
  }
  if (balance(keyless) < before + 900_000n) throw new Error("the thief was not punished");
};

export const closingScenes = {
  "force-close-own-anchors": { play: forceOf("keyless", true) },
  "force-close-own-static": { play: forceOf("keyless", false) },
  "force-close-theirs-anchors": { play: forceOf("bob", true) },
  "force-close-theirs-static": { play: forceOf("bob", false) },
  breach: { play: breach },
} satisfies Partial<Scenes>;
