/** Keys of an LDK node that are another process': everything that is secret stays with the signer. */

import type { DatabaseSync } from "node:sqlite";
import type { MessagePort } from "node:worker_threads";
import { parseInvoice } from "../../../protocol/bolt/invoice/invoice.ts";
import { parseOfferInvoice } from "../../../protocol/bolt/offer/messages.ts";
import { encodeOfferText } from "../../../protocol/bolt/offer/text.ts";
import { unknown } from "../../../protocol/codec.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import { openCurve } from "../../../protocol/curve/index.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import {
  commitmentNumber,
  msat,
  type NodeId,
  type Outpoint,
  paymentHash,
  point,
} from "../../../protocol/units.ts";
import { readBundle } from "../../bundle.ts";
import { feedSigner } from "../../feeder.ts";
import { openLine, type SignerLine } from "../bridge/line.ts";
import { readUpdate } from "../reading/update.ts";
import type { Keys, ProposedPayment } from "./keys.ts";
import { answerOf, NotApproved } from "./remote-answers.ts";
import { openChannels } from "./remote-channels.ts";
import type { KeysEvent, Tell } from "./remote-events.ts";
import { openForgetting } from "./remote-forget.ts";
import { openHandshakes, outpointOf } from "./remote-handshake.ts";
import { announcer, entropySource, nodeSigner } from "./remote-node.ts";
import type { Remote } from "./remote-parts.ts";
import { openPlaces } from "./remote-places.ts";
import { signerProvider } from "./remote-provider.ts";
import { openRoad } from "./remote-road.ts";
import { guarded } from "./remote-signer.ts";
import { openRemoteStore } from "./remote-store.ts";
import { apply } from "./remote-updates.ts";
import { openWallet } from "./remote-wallet.ts";

export interface RemoteKeysParts {
  /** The copy of the signer's `host` folder. */
  readonly bundle: string;
  /** The node's own: what is asked is stored with LDK's state. */
  readonly database: DatabaseSync;
  readonly tell: Tell;
  /** For another thread: while LDK's stands still for an answer, it tells nothing. */
  readonly watch?: MessagePort;
  /** In place of one that is opened for the bundle. */
  readonly line?: SignerLine;
  readonly curve?: Curve;
}

const software = "countersign ldk host";

/** What the signer has to approve before the first HTLC of it goes out. */
const proposal = (curve: Curve, node: NodeId, payment: ProposedPayment): Request<"proposePayment"> => {
  const { amountMsat, feeLimitMsat } = payment;
  const common = { node, amount: msat(amountMsat), feeLimit: msat(feeLimitMsat) };
  const none = { invoice: "", source: "", payee: unknown } as const;
  switch (payment.kind) {
    case "bolt11": {
      const { invoice } = payment;
      const { paymentHash: hash } = parseInvoice(curve, invoice);
      return { ...common, ...none, kind: "invoice", hash, invoice };
    }
    case "keysend": {
      const hash = paymentHash(Uint8Array.from(payment.hash));
      return { ...common, ...none, kind: "keysend", hash, payee: point(Uint8Array.from(payment.payee)) };
    }
    case "bolt12": {
      const { fields } = parseOfferInvoice(curve, payment.invoice);
      return {
        ...{ ...common, ...none },
        kind: "bolt12",
        hash: paymentHash(fields.invoicePaymentHash),
        invoice: encodeOfferText("lni", payment.invoice),
        source: payment.offer ?? "",
      };
    }
  }
};

export const openRemoteKeys = async (parts: RemoteKeysParts): Promise<Keys> => {
  const { bundle: folder, database, tell, watch } = parts;
  const { node, network } = readBundle(folder);
  const onState = (state: Extract<KeysEvent, { is: "signer" }>["state"]) => tell({ is: "signer", state });
  const line = parts.line ?? openLine({ bundle: folder, onState, ...(watch === undefined ? {} : { watch }) });
  const curve = parts.curve ?? (await openCurve("native"));
  const ask = async <N extends "hello" | "identity" | "inboundPaymentKey">(name: N, body: Request<N>) =>
    answerOf(name, await line.ask(name, body));

  const { tier, bounds } = await ask("hello", { node, network, version: 1, software });
  if (tier !== "full")
    throw new Error(`the signer was made for a host of tier ${tier}: an LDK node is of tier full`);
  const places = openPlaces(await ask("identity", { node }));
  const { key: inboundKey } = await ask("inboundPaymentKey", { node });

  const store = openRemoteStore(database);
  const channels = openChannels({ node, line, store });
  let start = (): void => undefined;
  let refused: (funding: Outpoint, reason: string) => void = () => undefined;
  let woken = false;
  const road = openRoad({
    line,
    database,
    tell,
    wake: () => {
      if (woken) return;
      woken = true;
      setImmediate(() => {
        woken = false;
        start();
      });
    },
    lost: ({ name, body }, refusal) => {
      if (name === "setup" || (name === "signCounterpartyCommitment" && body.number === 0n))
        refused(body.funding, refusal.sentence);
    },
    answered: ({ name, body }, reply) => {
      if (name === "revokeHolderCommitment")
        channels.learn(
          body.channel,
          commitmentNumber(body.number + 2n),
          (reply as Reply<typeof name>).points,
        );
    },
  });
  for (let index = 0; index < store.nextPlace(); index++) {
    const place = places.at(index);
    const script = places.script(place);
    if (script !== undefined) places.learn(script, place);
  }

  const remote: Remote = {
    ...{ node, line, road, store, channels, curve, tell },
    handshakes: openHandshakes(),
    place: places.find,
    announce: announcer({ node, line, tell }),
  };
  const guard = guarded(remote);
  const forgetting = openForgetting({ node, line, store, forgotten: channels.forgotten });

  return {
    nodeId: node,
    entropy: entropySource(),
    nodeSigner: nodeSigner(remote, inboundKey),
    signerProvider: signerProvider(remote),
    prepare: async () => {
      await road.resume();
      await channels.prepare();
    },
    store: road.store,
    flush: () => {
      road.flush();
      channels.topUp();
      forgetting.flush();
    },
    onUnblocked: (begin) => {
      start = begin;
    },
    onOpeningRefused: (end) => {
      refused = end;
    },
    observe: {
      openChannel: guard("open_channel", () => undefined, remote.handshakes.openChannel),
      acceptChannel: guard("accept_channel", () => undefined, remote.handshakes.acceptChannel),
      monitorUpdate: guard(
        "monitor update",
        () => undefined,
        (funding, update) => {
          const channel = channels.funded(outpointOf(funding));
          if (channel !== undefined) apply(channel, readUpdate(update.write()), remote);
        },
      ),
      newMonitor: () => undefined,
      discarded: guard(
        "discarded funding",
        () => undefined,
        (funding) => {
          const channel = channels.funded(outpointOf(funding));
          if (channel === undefined) return;
          road.drop(channel.id);
          forgetting.over(channel.id);
        },
      ),
      archived: guard(
        "archived channel",
        () => undefined,
        (funding) => {
          const channel = channels.funded(outpointOf(funding));
          if (channel !== undefined) forgetting.over(channel.id);
        },
      ),
    },
    wallet: openWallet(remote, places),
    propose: async (payment) => {
      const body = proposal(curve, node, payment);
      const { standing, approval } = answerOf("proposePayment", await line.ask("proposePayment", body));
      if (standing !== "approved") throw new NotApproved(standing, approval);
    },
    signInvoice: async (hrp, data) => {
      const body = { node, hrp, words: data };
      const { signature, recoveryId } = answerOf("signInvoice", await line.ask("signInvoice", body));
      return { signature, recovery: recoveryId };
    },
    feed: (chain) =>
      feedSigner({
        ...{ node, ...chain },
        client: { outcome: (name, body) => line.ask(name, body) },
        isFresh: () => ![...channels.all()].some(({ setup }) => setup !== undefined),
        told: (event) => {
          if (event.is === "trouble") tell({ is: "feed", reason: event.reason });
          // What was refused for want of blocks may pass now.
          else if (event.is === "shown") road.again();
        },
      }),
    limits: { minFeerate: bounds.minFeerate, maxFeerate: bounds.maxFeerate },
    close: async () => {
      road.close();
      forgetting.close();
      await line.close();
    },
  };
};
