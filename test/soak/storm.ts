/** What goes wrong: each thing in its own rhythm, by dice of its own, so that the schedule is the seed's and not the machine's. */

import type { DemoSigner } from "../../cli/demo/signer.ts";
import { type Random, random } from "../scripted/random.ts";
import type { Resident } from "./resident.ts";
import type { Pair, World } from "./world.ts";

export interface Storm {
  readonly kills: () => number;
  readonly disconnects: () => number;
  /** All that was killed is up again when it resolves. */
  end(): Promise<void>;
}

export interface StormParts {
  readonly world: World;
  readonly seed: string;
  /** 2 is twice as fast. */
  readonly pace: number;
  readonly told: (what: string) => void;
  /** What did not come back as it should. */
  readonly failed: (what: string) => void;
}

/** Signers and nodes as they are, whoever killed them: one thing at a time. */
interface Victim {
  readonly name: string;
  /** False where it was dead. */
  kill(): Promise<boolean>;
  /** Begins, and is killed again so many milliseconds later. */
  relapse(ms: number): Promise<void>;
  raise(): Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const victim = (name: string, one: Pick<DemoSigner, "kill" | "start">): Victim => {
  let last: Promise<unknown> = Promise.resolve();
  let isUp = true;
  const next = <T>(action: () => Promise<T>): Promise<T> => {
    const done = last.then(action);
    last = done.catch(() => undefined);
    return done;
  };
  return {
    name,
    kill: () =>
      next(async () => {
        const wasUp = isUp;
        isUp = false;
        if (wasUp) await one.kill();
        return wasUp;
      }),
    relapse: (ms) =>
      next(async () => {
        if (isUp) return;
        // That it did not come up is what was wished for.
        const begun = one.start().catch(() => undefined);
        await pause(ms);
        await one.kill();
        await begun;
      }),
    raise: () =>
      next(async () => {
        if (!isUp) await one.start();
        isUp = true;
      }),
  };
};

export const openStorm = ({ world, seed, pace, told, failed }: StormParts): Storm => {
  const { chain, pairs, residents, signers } = world;
  const over = Promise.withResolvers<void>();
  let [kills, disconnects, isOver] = [0, 0, false];

  const rest = (ms: number): Promise<void> =>
    Promise.race([new Promise<void>((resolve) => setTimeout(resolve, ms)), over.promise]);

  /** A storm that only hits what lies on the ground breaks nothing. */
  const isWell = async (one: Resident): Promise<void> => {
    const end = performance.now() + 30_000;
    while (!isOver && performance.now() < end) {
      const channels = await one.ask("channels", undefined).catch(() => []);
      if (channels.some(({ isUsable }) => isUsable)) return;
      await rest(100);
    }
  };

  /** It is struck in the midst of something, if there is anything. */
  const isBusy = async (one: Resident): Promise<void> => {
    const end = performance.now() + 3_000;
    while (!isOver && performance.now() < end) {
      const channels = await one.ask("channels", undefined).catch(() => []);
      if (channels.some(({ htlcs }) => htlcs > 0)) return;
      await rest(10);
    }
  };

  /** The action takes its own pause between what it breaks and what it mends. */
  const rhythm = async (
    name: string,
    patient: Resident | undefined,
    [least, spread]: readonly [number, number],
    action: (dice: Random) => Promise<void> | void,
  ): Promise<void> => {
    const dice = random(`${seed} storm ${name}`);
    for (;;) {
      if (patient !== undefined) await isWell(patient);
      await rest((least + dice.int(spread)) / pace);
      if (patient !== undefined) await isBusy(patient);
      if (isOver) return;
      try {
        await action(dice);
      } catch (error) {
        failed(`${name}: ${(error as Error).message}`);
      }
    }
  };

  const signerOf = new Map([...signers].map(([name, signer]) => [name, victim(`signer of ${name}`, signer)]));
  const nodeOf = new Map(
    residents.map((one) => [one.name, victim(one.name, { kill: one.kill, start: one.begin })]),
  );

  const strike = async (dice: Random, ...victims: readonly Victim[]): Promise<void> => {
    const plan = victims.map((one) => ({
      ...{ one, before: dice.int(80), down: 200 + dice.int(800) },
      relapse: dice.int(4) === 0 ? dice.int(3_000) : undefined,
    }));
    told(`killed: ${victims.map(({ name }) => name).join(" and ")}`);
    await Promise.all(
      plan.map(async ({ one, before, down, relapse }) => {
        await rest(before);
        if (await one.kill()) kills++;
        await rest(down);
        if (relapse !== undefined && !isOver) {
          kills++;
          await one.relapse(relapse);
        }
        const begun = performance.now();
        await one.raise();
        told(`${one.name} is up after ${Math.round(performance.now() - begun)} ms`);
      }),
    );
  };

  const part = async (pair: Pair, dice: Random): Promise<void> => {
    const [kind, ms] = [dice.int(3), dice.int(1_500)];
    disconnects++;
    const { caller, called, strait } = pair;
    if (kind > 0) {
      if (strait.cut() === 0) disconnects--;
      return;
    }
    const one: Resident = dice.int(2) === 0 ? caller : called;
    const other = one === caller ? called : caller;
    // A node that is down can't be asked, and is parted already.
    await one.ask("disconnect", { node: other.id() }).catch(() => undefined);
    await rest(ms);
    await world.join(pair).catch(() => undefined);
  };

  /** Peers come back while the signer does: what it then answers must not be said too early. */
  const waver = async (one: Resident, signer: Victim, dice: Random): Promise<void> => {
    const own = pairs.filter(({ caller, called }) => caller === one || called === one);
    const cuts = async (): Promise<void> => {
      for (let i = 0; i < 8; i++) {
        await rest(dice.int(800));
        for (const { strait } of own) disconnects += strait.cut();
      }
    };
    await Promise.all([strike(dice, signer), cuts()]);
  };

  const keyless = residents.filter((one) => one.isKeyless);
  const rhythms = [
    ...pairs.map((pair, i) => rhythm(`link ${i}`, undefined, [1_000, 5_000], (dice) => part(pair, dice))),
    ...keyless.flatMap((one) => {
      const [node, signer] = [nodeOf.get(one.name), signerOf.get(one.name)];
      if (node === undefined || signer === undefined) return [];
      return [
        rhythm(`signer of ${one.name}`, one, [2_000, 6_000], (dice) => strike(dice, signer)),
        rhythm(`signer and links of ${one.name}`, one, [3_000, 8_000], (dice) => waver(one, signer, dice)),
        rhythm(one.name, one, [5_000, 10_000], (dice) => strike(dice, node)),
        rhythm(`both of ${one.name}`, one, [8_000, 14_000], (dice) => strike(dice, node, signer)),
      ];
    }),
    ...residents
      .filter((one) => !one.isKeyless)
      .map((one) =>
        rhythm(one.name, one, [15_000, 20_000], async (dice) => {
          const node = nodeOf.get(one.name);
          if (node !== undefined) await strike(dice, node);
        }),
      ),
    rhythm("blocks", undefined, [5_000, 10_000], () => void chain.mine(1)),
  ];

  return {
    kills: () => kills,
    disconnects: () => disconnects,
    end: async () => {
      isOver = true;
      over.resolve();
      await Promise.all(rhythms);
      for (const one of [...signerOf.values(), ...nodeOf.values()]) await one.raise();
    },
  };
};
