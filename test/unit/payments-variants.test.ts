import { expect, test } from "vitest";
import { feerate } from "../../protocol/units.ts";
import { add, htlcOf, preimageOf, remove, withFeerate } from "../scripted/channel.ts";
import { rig } from "../scripted/road.ts";
import { evenTerms, scene } from "../scripted/scene.ts";

test("a payment that settled in a content that both forgot is no second payment in what follows the other", async () => {
  // Exactly what is paid is approved, so that counting it twice would be refused.
  const on = await scene({ signer: await rig({ proposes: false }), terms: evenTerms() });
  const { node } = on.opened;
  const paid = htlcOf("holder", 20_000_000n, "paid");
  await on.signer.call("proposePayment", {
    ...{ node, kind: "keysend", hash: paid.hash, amount: paid.amount, feeLimit: 0n as never },
    ...{ invoice: "", source: "", payee: "unknown" },
  });
  await on.advance(0n, on.start);
  const pending = add(on.start, paid);
  await on.advance(1n, pending);

  // The counterparty takes it and offers us more than that; then it crashes, and remembers neither.
  const incoming = htlcOf("counterparty", 30_000_000n, "theirs");
  const forgotten = await on.at(2n, add(remove(pending, paid, "fulfil"), incoming), [preimageOf("paid")]);
  await on.signer.call("validateHolderCommitment", forgotten.validate);
  const dearer = withFeerate(pending, feerate(1_500));
  await on.advance(2n, dearer);

  const next = await on.at(3n, withFeerate(pending, feerate(2_000)));
  expect((await on.signer.outcome("validateHolderCommitment", next.validate)).is).toBe("reply");
  expect((await on.signer.outcome("signCounterpartyCommitment", next.sign)).is).toBe("reply");
});
