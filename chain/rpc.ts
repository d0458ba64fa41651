/** Bitcoin Core's JSON-RPC: one call, and what became of it. */

import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import { Secret } from "../protocol/secret.ts";
import { json } from "./answers.ts";
import type { Answer, Http } from "./http.ts";
import { SourceError } from "./source.ts";

/** A cookie is written anew at each start of the node. */
export type Credentials = { readonly cookie: string } | { readonly user: string; readonly password: Secret };

/** A node's no, which may be an answer; the words are its own. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Call<T> {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly result: z.ZodType<T>;
  readonly most: number;
}

export type Rpc = <T>(call: Call<T>) => Promise<T>;

const mostCookie = 1_000;

const basic = (bytes: Uint8Array): Secret =>
  new Secret(new TextEncoder().encode(`Basic ${Buffer.from(bytes).toString("base64")}`));

const cookieIn = async (path: string): Promise<Secret> => {
  try {
    if ((await stat(path)).size > mostCookie) throw new Error("too long");
    return basic(new TextEncoder().encode((await readFile(path, "utf8")).trim()));
  } catch {
    throw new SourceError("its cookie file can't be read: is Bitcoin Core running?");
  }
};

const passwordOf = (user: string, password: Secret): Secret =>
  password.use((bytes) => basic(Buffer.concat([Buffer.from(`${user}:`), bytes])));

const envelope = z.object({
  result: z.unknown(),
  error: z.object({ code: z.number().int(), message: z.string() }).nullish(),
});

/** -28: still reading its blocks. */
const warmingUp = -28;

export const rpcOver = (http: Http, credentials: Credentials): Rpc => {
  let header: Secret | undefined;

  const authorisation = async (): Promise<Secret> => {
    header ??=
      "cookie" in credentials
        ? await cookieIn(credentials.cookie)
        : passwordOf(credentials.user, credentials.password);
    return header;
  };

  const post = async (body: string, most: number): Promise<Answer> => {
    const secret = await authorisation();
    const authorization = secret.use((bytes) => new TextDecoder().decode(bytes));
    return http.ask({
      method: "POST",
      path: "/",
      headers: { authorization, "content-type": "application/json" },
      body,
      most,
    });
  };

  return async ({ method, params, result, most }) => {
    const body = JSON.stringify({ jsonrpc: "1.0", id: "countersign", method, params });
    let answer = await post(body, most);
    if (answer.status === 401 && "cookie" in credentials) {
      header = undefined;
      answer = await post(body, most);
    }
    if (answer.status === 401 || answer.status === 403) throw new SourceError("it refuses the credentials");
    // An error of a call has one of these, and says which in its body.
    if (answer.status !== 200 && answer.status !== 404 && answer.status !== 500)
      throw new SourceError(`it answers with status ${answer.status}`);
    const { result: value, error } = json(answer.body, envelope);
    if (error?.code === warmingUp) throw new SourceError("the node is starting");
    if (error !== undefined && error !== null) throw new RpcError(error.code, error.message);
    const parsed = result.safeParse(value);
    if (!parsed.success) throw new SourceError(`it answers ${method} with another shape`);
    return parsed.data;
  };
};
