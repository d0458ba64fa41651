/** What outlives every kill: a store and its witness, and a host that asks whichever signer is there. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Role } from "../../protocol/wire/caller.ts";
import { connect } from "../../protocol/wire/client.ts";
import { readAudit } from "../../signer/audit.ts";
import { systemClock } from "../../signer/clock.ts";
import type { SoftwareKeyring } from "../../signer/keys/software.ts";
import { createStore, openStore } from "../../signer/store/sqlite.ts";
import { seenOf } from "../../signer/store/witnessed.ts";
import { createWitness } from "../../signer/witness.ts";
import { peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";
import type { Checker } from "./checker.ts";
import { openHost } from "./host.ts";
import type { World } from "./life.ts";

export type Sockets = Readonly<Record<Role, string>>;

export interface StageOptions {
  readonly keyring: SoftwareKeyring;
  readonly person: World["person"];
  readonly places: number;
  readonly checker: Checker;
}

export interface Stage {
  readonly dir: string;
  readonly store: string;
  readonly witness: string;
  /** Undefined while none runs. */
  asks(sockets: Sockets | undefined): void;
  crashHost(): Promise<void>;
  /** With a signer that stays alive every place must still get on. */
  getsOn(steps?: number): Promise<void>;
  /** The host's last crash, and what the audit log tells. */
  end(stop: () => Promise<unknown>): Promise<void>;
  remove(): void;
}

/** As many as the longest way of a channel from its beginning to its end on the chain. */
const stepsAlive = 24;
const patience = 180_000;

export const openStage = async ({ keyring, person, places, checker }: StageOptions): Promise<Stage> => {
  const dir = mkdtempSync(join(tmpdir(), "countersign-crash-"));
  const store = join(dir, "store.sqlite");
  createStore(store);
  const witness = join(dir, "witness");
  const first = await openStore({ path: store });
  createWitness(witness, seenOf(first, systemClock));
  await first.close();
  const bob = peer("bob", curve);
  let sockets: Sockets | undefined;
  const startHost = () =>
    openHost({
      database: join(dir, "host.sqlite"),
      world: { node: keyring.node, peer: bob, keyring, person },
      ...{ places, checker },
      connect: async (role) => {
        if (sockets === undefined) throw new Error("no signer runs");
        return await connect({ address: { path: sockets[role] }, timeoutMs: 2_000, role });
      },
    });
  let host = startHost();
  return {
    ...{ dir, store, witness },
    asks: (now) => {
      sockets = now;
    },
    crashHost: async () => {
      await host.crash();
      host = startHost();
    },
    getsOn: async (steps = stepsAlive) => {
      const before = host.progress();
      const slow = () =>
        [...host.progress().entries()].filter(([place, now]) => now < (before[place] ?? 0) + steps);
      for (const since = performance.now(); slow().length > 0 && performance.now() < since + patience; )
        await pause(100);
      for (const [place] of slow()) checker.stuck(`place ${place} does not get on`);
    },
    end: async (stop) => {
      await host.crash();
      await stop();
      const audit = readAudit(store);
      checker.audited(audit);
      audit.close();
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
};
