/** Who lives in the soak: two nodes with keys of their own, and between them those whose keys are a signer's. */

import { join } from "node:path";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { serveEsplora } from "../../chain/embedded/faces/esplora.ts";
import { type DemoSigner, freePort, makeSigner } from "../../cli/demo/signer.ts";
import { until } from "../../cli/demo/town.ts";
import type { NodeEvent } from "../../host/ldk/index.ts";
import { script } from "../../protocol/units.ts";
import { type Random, random } from "../scripted/random.ts";
import { type Resident, resident } from "./resident.ts";
import { openStrait, type Strait } from "./strait.ts";

/** Two that have channels with each other; the first one calls. */
export interface Pair {
  readonly caller: Resident;
  readonly called: Resident;
  readonly strait: Strait;
}

export interface World {
  readonly chain: EmbeddedChain;
  readonly residents: readonly Resident[];
  readonly pairs: readonly Pair[];
  readonly signers: ReadonlyMap<string, DemoSigner>;
  /** By two, since there may be several between them. */
  readonly channels: number;
  /** That two are connected, or on their way to it. */
  join(pair: Pair): Promise<void>;
  close(): Promise<void>;
}

export interface WorldParts {
  readonly directory: string;
  readonly seed: string;
  /** One or two nodes without keys. */
  readonly keyless: 1 | 2;
  readonly told: (name: string, event: NodeEvent) => void;
}

interface Plan {
  readonly opener: string;
  readonly to: string;
  readonly valueSat: bigint;
  readonly announced: boolean;
}

const million = 1_000_000n;

/** Carol has no anchors, so no channel of hers has. */
const plans = (keyless: 1 | 2): readonly Plan[] => [
  { opener: "alice", to: "bob", valueSat: 2n * million, announced: true },
  { opener: "bob", to: "alice", valueSat: million, announced: false },
  { opener: "bob", to: "carol", valueSat: 2n * million, announced: true },
  ...(keyless === 1
    ? []
    : [
        { opener: "carol", to: "bob", valueSat: million, announced: false },
        { opener: "bob", to: "dave", valueSat: million, announced: true },
        { opener: "carol", to: "dave", valueSat: million, announced: true },
      ]),
];

const channelsOf = (pair: Pair, one: Resident) =>
  one
    .ask("channels", undefined)
    .then((all) => all.filter(({ node }) => node === (one === pair.caller ? pair.called : pair.caller).id()));

export const openWorld = async ({ directory, seed, keyless, told }: WorldParts): Promise<World> => {
  const chain = openChain();
  chain.mine(1);
  const face = await serveEsplora({ chain });
  const signers = new Map<string, DemoSigner>();
  const residents: Resident[] = [];
  const pairs: Pair[] = [];
  const dice = random(`${seed} world`);

  const settle = async (name: string): Promise<void> => {
    const hasKeys = name === "alice" || name === "carol";
    const signer = hasKeys
      ? undefined
      : await makeSigner({ directory: join(directory, `signer-${name}`), policy: {} });
    if (signer !== undefined) {
      signers.set(name, signer);
      await signer.start();
    }
    const one = resident({
      ...{ name, directory: join(directory, name), chain: face.url, port: await freePort() },
      keys:
        signer === undefined
          ? { kind: "local", seed: random(`${seed} ${name}`).bytes(32) }
          : { kind: "remote", bundle: signer.bundle },
      config: { minimumDepth: 1, forwardsPrivately: true, anchors: name !== "carol" },
      told: (event) => told(name, event),
    });
    residents.push(one);
    await one.begin();
  };

  const named = (name: string): Resident => {
    const one = residents.find((other) => other.name === name);
    if (one === undefined) throw new Error(`nobody is called ${name}`);
    return one;
  };

  const mine = async (blocks: number): Promise<void> => {
    chain.mine(blocks);
    await Promise.all(residents.map((one) => one.ask("sync", undefined)));
  };

  const connected = ({ caller, called, strait }: Pair): Promise<undefined> =>
    caller.ask("connect", { node: called.id(), address: { host: "127.0.0.1", port: strait.port } });

  const pairOf = async (a: Resident, b: Resident): Promise<Pair> => {
    const found = pairs.find(({ caller, called }) => [caller, called].every((one) => one === a || one === b));
    if (found !== undefined) return found;
    const strait = await openStrait({ target: b.port, dice: forked(`${a.name} ${b.name}`), longest: 60 });
    const pair = { caller: a, called: b, strait };
    await connected(pair);
    pairs.push(pair);
    return pair;
  };
  const forked = (what: string): Random => random(`${seed} ${what} ${dice.int(1 << 30)}`);

  const open = async ({ opener, to, valueSat, announced }: Plan): Promise<void> => {
    const [from, other] = [named(opener), named(to)];
    const pair = await pairOf(from, other);
    const node = other.id();
    const pushMsat = (valueSat * 1_000n) / 2n;
    const channel = await from.ask("open", { node, valueSat, pushMsat, announced });
    await until("the funding transaction", () => chain.pool().length > 0);
    await mine(1);
    for (const one of [from, other])
      await until(`a channel of ${one.name}`, async () =>
        (await channelsOf(pair, one)).some((found) => found.channel === channel && found.isReady),
      );
  };

  const close = async (): Promise<void> => {
    await Promise.all(residents.map((one) => one.stop()));
    await Promise.all([...signers.values()].map((signer) => signer.stop()));
    await Promise.all(pairs.map(({ strait }) => strait.close()));
    await face.close();
  };

  try {
    const names = ["alice", "bob", "carol", ...(keyless === 2 ? ["dave"] : [])];
    await Promise.all(names.map(settle));
    residents.sort((a, b) => (a.name < b.name ? -1 : 1));
    const planned = plans(keyless);
    for (const one of residents)
      for (const { opener } of planned)
        if (opener === one.name) chain.mine(1, { to: script((await one.ask("address", undefined)).script) });
    await mine(101);
    for (const plan of planned) await open(plan);
    // So that the announced ones are (BOLT 7: six confirmations).
    await mine(6);
    return {
      ...{ chain, residents, pairs, signers, close, channels: planned.length },
      join: async (pair) => {
        const { caller, called } = pair;
        const { peers } = await caller.ask("info", undefined);
        if (!peers.includes(called.id())) await connected(pair);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
};
