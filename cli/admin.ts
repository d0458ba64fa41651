/** Asks a running signer on its admin socket, with the administrator's certificate of its directory. */

import { userInfo } from "node:os";
import { join, resolve } from "node:path";
import { fromHex } from "../protocol/bytes.ts";
import type { Name, Reply, Request } from "../protocol/operations/index.ts";
import type { Fact } from "../protocol/outcome.ts";
import { type NodeId, point } from "../protocol/units.ts";
import { connect } from "../protocol/wire/client.ts";
import { type Connection, Disconnected } from "../protocol/wire/connection.ts";
import { type ConfigNode, configFile, pathsOf, readConfig } from "../signer/config.ts";
import { checkSocket } from "../signer/server/way-in.ts";
import { SetupError } from "../signer/setup-error.ts";
import { usableCredentials } from "./certificates.ts";
import { Unable } from "./exit.ts";
import { plain } from "./json.ts";
import { nodeIn } from "./nodes.ts";

type AdminName =
  | "status"
  | "listApprovals"
  | "decideApproval"
  | "changeAllowlist"
  | "showPolicy"
  | "explain"
  | "exit"
  | "justice"
  | "broadcast"
  | "chainSource"
  | "deviceStanding"
  | "deviceLimits"
  | "deviceAnswer"
  | "deviceForget";

export interface Admin {
  readonly node: NodeId;
  /** The reply; whatever else the signer says ends the command. */
  ask<N extends AdminName>(name: N, body: Omit<Request<N>, "node">): Promise<Reply<N>>;
}

/** Of one of the nodes that the configuration names. */
export interface NodeAdmin extends Admin {
  readonly about: ConfigNode;
}

export interface AdminOptions {
  readonly dir: string;
  /** As `nodeIn` takes it. */
  readonly node?: string;
  readonly json?: true;
}

export const shownFacts = (facts: readonly Fact[]): string =>
  facts.map(({ name, value }) => `${plain(name)} ${plain(value)}`).join(", ");

const reach = async (path: string, certificates: string, dir: string): Promise<Connection> => {
  const credentials = usableCredentials(certificates, "admin");
  try {
    return await connect({ address: { path }, credentials, role: "admin" });
  } catch (error) {
    if (!(error instanceof Disconnected)) throw error;
    if (error.why === "denied")
      throw new SetupError("permissions", `the signer at ${path} does not take this certificate`);
    throw new SetupError(
      "unavailable",
      `no signer answers at ${path}`,
      `Start it with \`countersign signer --dir ${dir}\`.`,
    );
  }
};

const asking =
  (connection: Connection, node: NodeId): Admin["ask"] =>
  async (name, body) => {
    const outcome = await connection.unary<Name>(name, { node, ...body } as unknown as Request<Name>);
    switch (outcome.is) {
      case "reply":
        return outcome.reply as Reply<typeof name>;
      case "refusal": {
        const { rule, sentence, facts, hint } = outcome.refusal;
        throw new Unable("refused", `refused by ${rule}: ${sentence}\n${shownFacts(facts)}\n${hint}`);
      }
      case "malformed": {
        const { path, reason } = outcome.malformed;
        throw new Unable("invalid", path === "" ? reason : `${path}: ${reason}`);
      }
      case "fault":
        throw new Unable(
          "fault",
          `the signer has a fault (${outcome.fault.code}): ${outcome.fault.sentence}`,
        );
    }
  };

const withConnection = async (
  { dir }: AdminOptions,
  choose: (nodes: readonly ConfigNode[]) => readonly ConfigNode[],
  use: (admins: readonly NodeAdmin[]) => Promise<void>,
): Promise<void> => {
  const file = join(resolve(dir), configFile);
  const config = readConfig(file);
  const chosen = choose(config.node);
  const paths = pathsOf(config, file);
  checkSocket(paths.admin, file);
  const connection = await reach(paths.admin, paths.certificates, dir);
  try {
    await use(
      chosen.map((about) => {
        const node = point(fromHex(about.id));
        return { node, about, ask: asking(connection, node) };
      }),
    );
  } catch (error) {
    if (error instanceof Disconnected) throw new SetupError("unavailable", error.message);
    throw error;
  } finally {
    await connection.close();
  }
};

/** For the node that is named, or the only one. */
export const withAdmin = (options: AdminOptions, use: (admin: Admin) => Promise<void>): Promise<void> =>
  withConnection(
    options,
    (nodes) => [nodeIn(nodes, options.node)],
    async ([admin]) => {
      if (admin !== undefined) await use(admin);
    },
  );

/** For the node that is named, or all. */
export const withAdmins = (
  options: AdminOptions,
  use: (admins: readonly NodeAdmin[]) => Promise<void>,
): Promise<void> =>
  withConnection(
    options,
    (nodes) => (options.node === undefined ? nodes : [nodeIn(nodes, options.node)]),
    use,
  );

/** Who a decision is put down to, where nobody is named: the account that the command runs in. */
export const thisUser = (): string => {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? "unknown"}`;
  }
};

export const print = (text: string): void => void process.stdout.write(`${text}\n`);
