/** The recorded signer in a process of its own, since LDK's thread stands still while it waits for an answer. */

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../../protocol/bytes.ts";
import type { AnyRequest, Name } from "../../../protocol/operations/index.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import type { Credentials } from "../../../protocol/wire/address.ts";
import { type Served, serve } from "../../../protocol/wire/server.ts";
import { createAuthority, issueClient, issueServer } from "../../../signer/certificates.ts";
import { openRecorder } from "./recorder.ts";
import { packRecording } from "./recording.ts";
import type { Head } from "./signer.ts";

export type ToSigner =
  | { readonly is: "begin"; readonly head: Head; readonly bundle: string }
  | { readonly is: "ask"; readonly request: AnyRequest }
  | { readonly is: "restart" }
  | { readonly is: "end" };

export type FromSigner =
  | { readonly is: "begun"; readonly node: Uint8Array }
  | { readonly is: "answered"; readonly outcome: Outcome<Name> }
  | { readonly is: "restarted" }
  | { readonly is: "ended"; readonly packed: Uint8Array }
  | { readonly is: "failed"; readonly why: string };

const tell = (told: FromSigner): void => void process.send?.(told);
const fail = (error: unknown): void => tell({ is: "failed", why: (error as Error).stack ?? String(error) });

const begin = async ({ head, bundle }: Extract<ToSigner, { is: "begin" }>) => {
  const recorder = await openRecorder(head);
  const node = recorder.node as Extract<Parameters<typeof issueClient>[1], { role: "host" }>["node"];
  const issuance = { now: Date.now(), days: 1, random: (n: number) => new Uint8Array(randomBytes(n)) };
  const authority = createAuthority("Countersign recorded", issuance);
  const { certificate: ca } = authority;
  const credentials: Credentials = { ca, ...issueServer(authority, [], issuance) };
  const listen = (port: number): Promise<Served> =>
    serve({
      address: { host: "127.0.0.1", port },
      credentials,
      respond: (request) => recorder.respond(request) as ReturnType<typeof recorder.respond>,
      onFault: fail,
    });
  let served = await listen(0);
  const { port } = served.address as { readonly port: number };
  const host = issueClient(authority, { role: "host", node }, issuance);
  mkdirSync(bundle, { recursive: true });
  const files = { ca: "ca.pem", certificate: "host.pem", key: "host.key" };
  writeFileSync(join(bundle, files.ca), ca);
  writeFileSync(join(bundle, files.certificate), host.certificate);
  host.key.use((bytes) => writeFileSync(join(bundle, files.key), bytes, { mode: 0o600 }));
  const about = { address: `127.0.0.1:${port}`, node: toHex(node), network: head.network };
  writeFileSync(join(bundle, "host.json"), JSON.stringify({ ...about, ...files }));
  tell({ is: "begun", node });
  return {
    recorder,
    restart: async () => {
      // Connections go first: answers that are on their way are lost.
      const gone = served.close(0);
      await recorder.restart();
      await gone;
      served = await listen(port);
    },
  };
};

let signer: Awaited<ReturnType<typeof begin>> | undefined;

const act = async (asked: ToSigner): Promise<void> => {
  if (asked.is === "begin") {
    signer = await begin(asked);
    return;
  }
  if (signer === undefined) throw new Error("it has not begun");
  switch (asked.is) {
    case "ask":
      return tell({ is: "answered", outcome: await signer.recorder.respond(asked.request) });
    case "restart":
      await signer.restart();
      return tell({ is: "restarted" });
    case "end":
      return tell({ is: "ended", packed: packRecording(signer.recorder.recording()) });
  }
};

process.on("message", (asked: ToSigner) => {
  act(asked).catch(fail);
});
process.on("disconnect", () => process.exit(0));
