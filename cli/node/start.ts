/** The node, until it is told to stop. */

import { openSource } from "../../chain/open.ts";
import type { ChainSource } from "../../chain/source.ts";
import { type LdkNode, startNode } from "../../host/ldk/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { parseAddress, printAddress } from "../../signer/config.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type AdminOptions, print } from "../admin.ts";
import { exitCodes } from "../exit.ts";
import { plain, toJson } from "../json.ts";
import { type NodeHome, openBundle, openNodeHome } from "./config.ts";
import { deskOf } from "./desk.ts";
import { reached } from "./reached.ts";
import { isServed, openControl } from "./server.ts";
import { eventText, flat, isForPeople } from "./told.ts";

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const sourceOf = async ({ chain }: NodeHome): Promise<ChainSource> => {
  try {
    return await openSource(chain);
  } catch (error) {
    throw new SetupError("invalid", `the source of blocks can't be used: ${reasonOf(error)}`);
  }
};

interface Asking {
  /** Resolves when a person, or the control socket, asks to stop. Later askings change nothing. */
  readonly stop: Promise<void>;
  ask(): void;
}

const asking = (): Asking => {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  return { stop: promise, ask: () => resolve() };
};

/** Undefined where it is told to stop before: what is on disk is whole at any time, so nothing has to be waited for. */
const begun = async (
  home: NodeHome,
  chain: ChainSource,
  network: Parameters<typeof startNode>[0]["network"],
  { stop }: Asking,
): Promise<LdkNode | undefined> => {
  const { directory, signer, settings, config } = home;
  const listen = settings.listen === undefined ? undefined : parseAddress(settings.listen);
  const tell = (text: string): void => void process.stderr.write(`${plain(text)}\n`);
  const starting = async (): Promise<LdkNode> => {
    await reached({ chain, tell });
    return startNode({
      ...{ directory, network, chain, config },
      keys: { kind: "remote", bundle: signer },
      lookEveryMs: settings.look * 1_000,
      ...(listen === undefined ? {} : { listen }),
    });
  };
  try {
    return await Promise.race([starting(), stop.then(() => undefined)]);
  } catch (error) {
    if (error instanceof Malformed) throw error;
    throw new SetupError("unavailable", plain(reasonOf(error)));
  }
};

export const run = async ({ dir, json }: AdminOptions): Promise<void> => {
  const home = openNodeHome(dir);
  const bundle = openBundle(home.signer);
  const { network } = bundle;
  if (await isServed(home.control))
    throw new SetupError(
      "exists",
      `a node runs in ${home.directory} already`,
      `\`countersign node stop --dir ${dir}\` stops it.`,
    );
  const asked = asking();
  const chain = await sourceOf(home);
  if (!json)
    process.stderr.write(
      `Waiting for the signer at ${printAddress(bundle.address)} and blocks of ${chain.name}.\n`,
    );
  const node = await begun(home, chain, network, asked);
  // Its threads have nothing to say good-bye to.
  if (node === undefined) return process.exit(exitCodes.interrupted.code);

  const happenings = node.events();
  const control = await openControl({
    path: home.control,
    desk: {
      ...deskOf(node),
      stop: async () => {
        // After the answer is on its way.
        setImmediate(asked.ask);
        return {};
      },
    },
    events: () => node.events(),
  });
  const { height, listening } = await node.info();
  const ready = {
    event: "ready",
    ...{ node: node.id, network, height, listening, chain: chain.name, control: home.control },
    pid: process.pid,
  };
  const at =
    listening === undefined ? "no peers can connect to it" : `peers connect to ${printAddress(listening)}`;
  print(json ? toJson(ready) : `Node ${node.id}\non ${network} at height ${height}; ${at}. Ctrl-C stops it.`);
  void asked.stop.then(() => node.stop());
  for await (const event of happenings) {
    if (json) print(toJson(flat(event)));
    else if (isForPeople(event)) print(`${new Date().toISOString().slice(11, 19)}  ${eventText(event)}`);
    if (event.is === "failed") process.exitCode = exitCodes.fault.code;
  }
  await control.close();
  await chain.close();
};
