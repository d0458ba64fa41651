/**
 * A host in forty lines: `node examples/scripted-host.ts D/host`. It opens a channel with a scripted peer, advances
 * it, tries to steal, and asks for its first signature again. Kill the signer meanwhile, and start it again.
 */

import { setTimeout as pause } from "node:timers/promises";
import { connectTo, Refused, readBundle, signerClient } from "countersign/host";
import { openCurve, sat, toHex } from "countersign/protocol";
import { add, htlcOf, keysendOf, open, plainTerms, start, update } from "../test/scripted/channel.ts";
import { peer } from "../test/scripted/peer.ts";

const bundle = readBundle(process.argv[2] ?? "signer/host");
const signer = signerClient({
  connect: connectTo(bundle),
  onState: (state) => console.log(state.is === "connected" ? "connected" : `signer away: ${state.reason}`),
});
const { node, network } = bundle;
const hello = await signer.call("hello", { node, network, version: 1, software: "scripted host" });
console.log(`${hello.software} serves ${hello.network}, tier ${hello.tier}`);

const bob = peer("bob", await openCurve("native"));
const terms = plainTerms({ value: sat(1_000_000n) });
const channel = await open(signer.call, node, bob, terms, `example at ${Date.now()}`);
console.log(`channel ${channel.channel} is set up for ${terms.value} sat`);

const first = update(channel, bob, channel.points[0] as never, 0n, start(terms));
await signer.call("validateHolderCommitment", first.validate);
const { signature } = await signer.call("signCounterpartyCommitment", first.sign);
console.log(`signed commitment 0: ${toHex(signature)}`);

const stranger = add(start(terms), htlcOf("holder", 40_000_000n, "nobody approved this"));
const unasked = update(channel, bob, channel.points[1] as never, 1n, stranger);
await signer.call("signCounterpartyCommitment", unasked.sign).catch((error: unknown) => {
  if (error instanceof Refused) console.log(`an HTLC ${error.message}`);
  else throw error;
});

const payment = htlcOf("holder", 50_000_000n, `a payment at ${Date.now()}`);
const { standing, approval } = await signer.call("proposePayment", keysendOf(node, payment));
console.log(`a payment of ${payment.amount} msat is ${standing}`);
if (standing === "pending") {
  console.log(
    `This signer's policy asks a person first (countersign approvals approve ${toHex(approval)} --dir D).`,
  );
  console.log("The example goes on with a policy that does not, as that of regtest.");
  process.exit(0);
}
const paying = add(start(terms), payment);
const second = update(channel, bob, channel.points[1] as never, 1n, paying);
const { htlcSignatures } = await signer.call("signCounterpartyCommitment", second.sign);
await signer.call("validateHolderCommitment", second.validate);
if (second.revoke !== undefined) await signer.call("revokeHolderCommitment", second.revoke);
console.log(`signed commitment 1 with ${htlcSignatures.length} HTLC, and gave up commitment 0`);

const theft = { ...second.sign, toHolder: sat(0n), toCounterparty: sat(second.sign.toHolder) };
await signer.call("signCounterpartyCommitment", theft).catch((error: unknown) => {
  if (error instanceof Refused) console.log(`theft ${error.message}`);
  else throw error;
});

for (let i = 0; i < 5; i++, await pause(1_000)) {
  const again = await signer.call("signCounterpartyCommitment", second.sign);
  const same = again.htlcSignatures.every((one, at) => toHex(one) === toHex(htlcSignatures[at] as never));
  console.log(`asked for commitment 1 again: ${same ? "the same bytes" : "OTHER BYTES"}`);
}
await signer.close();
