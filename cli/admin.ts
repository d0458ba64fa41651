/** Asks a running signer on its admin socket, with the administrator's certificate of its directory. */

import { userInfo } from "node:os";
import { join, resolve } from "node:path";
import { fromHex } from "../protocol/bytes.ts";
import type { Name, Reply, Request } from "../protocol/operations/index.ts";
import type { Fact } from "../protocol/outcome.ts";
import { type NodeId, point } from "../protocol/units.ts";
import { connect } from "../protocol/wire/client.ts";
import { type Connection, Disconnected } from "../protocol/wire/connection.ts";
import { configFile, pathsOf, readConfig } from "../signer/config.ts";
import { checkSocket, credentialsIn } from "../signer/server/way-in.ts";
import { SetupError } from "../signer/setup-error.ts";
import { Unable } from "./exit.ts";
import { plain } from "./json.ts";

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
  | "chainSource";

export interface Admin {
  readonly node: NodeId;
  /** The reply; whatever else the signer says ends the command. */
  ask<N extends AdminName>(name: N, body: Omit<Request<N>, "node">): Promise<Reply<N>>;
}

export interface AdminOptions {
  readonly dir: string;
  readonly json?: true;
}

export const shownFacts = (facts: readonly Fact[]): string =>
  facts.map(({ name, value }) => `${plain(name)} ${plain(value)}`).join(", ");

const reach = async (path: string, certificates: string, dir: string): Promise<Connection> => {
  const credentials = credentialsIn(certificates, "admin");
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

export const withAdmin = async (dir: string, use: (admin: Admin) => Promise<void>): Promise<void> => {
  const file = join(resolve(dir), configFile);
  const config = readConfig(file);
  const paths = pathsOf(config, file);
  checkSocket(paths.admin, file);
  const node = point(fromHex(config.node.id));
  const connection = await reach(paths.admin, paths.certificates, dir);
  try {
    await use({ node, ask: asking(connection, node) });
  } catch (error) {
    if (error instanceof Disconnected) throw new SetupError("unavailable", error.message);
    throw error;
  } finally {
    await connection.close();
  }
};

/** Who a decision is put down to, where nobody is named: the account that the command runs in. */
export const thisUser = (): string => {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? "unknown"}`;
  }
};

export const print = (text: string): void => void process.stdout.write(`${text}\n`);
