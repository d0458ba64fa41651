/** A command that asks a running node on its control socket. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Malformed } from "../../protocol/malformed.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { type Exit, Unable } from "../exit.ts";
import { plain } from "../json.ts";
import { type NodeHome, openNodeHome } from "./config.ts";
import {
  type Answer,
  type Asked,
  type ControlName,
  type ControlReply,
  longestReply,
  parseControlAnswer,
  parseControlReply,
  printControlRequest,
} from "./control.ts";
import { linesOf } from "./lines.ts";

export interface Happening {
  readonly event: { readonly is: string };
  readonly text: string;
}

export interface NodeClient {
  readonly home: NodeHome;
  ask<N extends ControlName>(name: N, asked: Asked<N>): Promise<Answer<N>>;
  /** From when this resolves. */
  follow(told: (happening: Happening) => void): Promise<void>;
  /** Resolves when the node ends the connection. */
  readonly ended: Promise<void>;
}

type Failed = Extract<ControlReply, { is: "failed" }>;

const exits: Readonly<Record<Failed["kind"], Exit>> = {
  refused: "refused",
  notApproved: "refused",
  notDone: "refused",
  invalid: "invalid",
  stopped: "unavailable",
  fault: "fault",
};

/** The reason names the approval; where it is given is not the node's to know. */
const whereApproved = "That is typed where the signer is, with its --dir.";

const unableOf = ({ kind, reason }: Failed): Unable =>
  new Unable(exits[kind], kind === "notApproved" ? `${plain(reason)}\n${whereApproved}` : plain(reason));

const gone = (): Unable =>
  new Unable("unavailable", "the node ended the connection before it answered: look whether it still runs");

const reach = async (home: NodeHome): Promise<Socket> => {
  const socket = connect(home.control);
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    throw new SetupError(
      "unavailable",
      `no node runs in ${home.directory}: nobody answers at ${home.control}`,
      `Start it with \`countersign node start --dir ${home.directory}\`.`,
    );
  }
};

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export const withNode = async (dir: string, use: (client: NodeClient) => Promise<void>): Promise<void> => {
  const home = openNodeHome(dir);
  const socket = await reach(home);
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let told: (happening: Happening) => void = () => undefined;

  const take = (id: number): Waiting | undefined => {
    const one = waiting.get(id);
    waiting.delete(id);
    return one;
  };
  const hear = (reply: ControlReply): void => {
    switch (reply.is) {
      case "answer":
        take(reply.id)?.resolve(reply.answer);
        return;
      case "failed":
        take(reply.id)?.reject(unableOf(reply));
        return;
      case "malformed":
        take(reply.id)?.reject(new Malformed(reply.path, reply.reason));
        return;
      case "event":
        told(reply);
    }
  };
  const listen = async (): Promise<void> => {
    let error: Error = gone();
    try {
      for await (const line of linesOf(socket, longestReply)) hear(parseControlReply(line));
    } catch (caught) {
      if (caught instanceof Malformed) error = caught;
    }
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    socket.destroy();
  };
  const ended = listen();

  const ask = async <N extends ControlName>(name: N, asked: Asked<N>): Promise<Answer<N>> => {
    const id = next++;
    const answer = await new Promise<unknown>((resolve, reject) => {
      if (socket.destroyed) return reject(gone());
      waiting.set(id, { resolve, reject });
      socket.write(`${printControlRequest({ id, ask: name, asked })}\n`);
    });
    return parseControlAnswer(name, answer);
  };

  try {
    await use({
      ...{ home, ask, ended },
      follow: async (listener) => {
        told = listener;
        await ask("events", {});
      },
    });
  } finally {
    socket.destroy();
    await ended;
  }
};
