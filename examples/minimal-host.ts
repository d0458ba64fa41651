/**
 * The least that a host needs: `node examples/minimal-host.ts D/host host.sqlite`. Its channel and its requests are in
 * its own database. With `--die` it ends between storing a request and sending it: the next run sends it.
 */

import { connectTo, openDatabase, openMailbox, Refused, readBundle, signerClient } from "countersign/host";
import { openCurve, sat, toHex } from "countersign/protocol";
import { fundingOf, plainTerms } from "../test/scripted/channel.ts";
import { peer } from "../test/scripted/peer.ts";

const [directory = "signer/host", file = "host.sqlite", die] = process.argv.slice(2);
const bundle = readBundle(directory);
const { node, network } = bundle;
const client = signerClient({ connect: connectTo(bundle) });
const { bounds } = await client.call("hello", { node, network, version: 1, software: "minimal host" });
console.log(`channels up to ${bounds.maxChannelValue} sat, feerates up to ${bounds.maxFeerate}`);

const database = openDatabase(file);
database.exec("CREATE TABLE IF NOT EXISTS channels (id INTEGER PRIMARY KEY, script BLOB) STRICT");
const mailbox = openMailbox({
  database,
  client,
  answered: ({ name, body, outcome }) => {
    if (name !== "setup" || outcome.is !== "reply") throw new Error(`${name}: ${outcome.is}`);
    const { fundingScript } = outcome.reply;
    database.prepare("UPDATE channels SET script = ? WHERE id = ?").run(fundingScript, body.channel);
    console.log(`channel ${body.channel} is set up: fund ${toHex(fundingScript)}`);
  },
});
console.log(`${mailbox.waiting().length} waited from an earlier run`);
await mailbox.flush();

const { id, basepoints: counterparty } = peer("bob", await openCurve("native"));
const common = { node, peer: id, terms: plainTerms() };
const { channel, basepoints, points } = await client.call("new", { node, wanted: "unknown" });
console.log(`channel ${channel}: funding key ${toHex(basepoints.funding)}, ${points.length} points`);
const large = { ...common, channel, terms: plainTerms({ value: sat(bounds.maxChannelValue + 1n) }) };
await client.call("check", large).catch((error: unknown) => {
  if (!(error instanceof Refused)) throw error;
  console.log(`refused by ${error.refusal.rule}, ${error.refusal.final ? "for good" : "for now"}`);
});
mailbox.transaction(() => {
  database.prepare("INSERT INTO channels (id) VALUES (?)").run(channel);
  mailbox.post("setup", { ...common, channel, counterparty, funding: fundingOf(`${channel}`) });
});
if (die === "--die") process.exit(9);
await mailbox.flush();
await client.close();
