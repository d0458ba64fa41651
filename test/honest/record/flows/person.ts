/** What a person is asked, and answers. */

import { NotApproved } from "../../../../host/ldk/keys/remote-answers.ts";
import { link, pay, rest, type Scenes, type Town, wellBetween } from "../town.ts";

const decide = async ({ signer }: Town, verdict: "approve" | "deny"): Promise<void> => {
  for (let tries = 0; tries < 200; tries++) {
    const { approvals } = await signer.call("listApprovals", { node: signer.node, state: "pending" });
    const [one] = approvals;
    if (one !== undefined) {
      await signer.call("decideApproval", { node: signer.node, id: one.id, verdict, by: "a person" });
      return;
    }
    await rest(50);
  }
  throw new Error("nobody was asked");
};

const approvals = async (town: Town): Promise<void> => {
  const keyless = await town.keyless();
  const bob = await town.peer("bob");
  await town.fund(keyless, bob);
  await link(keyless, bob);
  const opening = town.begin(keyless, bob, { push: 300_000_000n });
  await decide(town, "approve");
  const channel = await opening;
  await town.mine(6);
  await wellBetween(channel, keyless, bob);
  for (const [verdict, msat] of [
    ["approve", 30_000_000n],
    ["deny", 20_000_000n],
  ] as const) {
    const { invoice } = await bob.engine.payments.invoice({ msat, description: "rent" });
    const waits = await keyless.engine.payments.pay({ invoice }).catch((error: unknown) => error);
    if (!(waits instanceof NotApproved)) throw new Error("it did not wait");
    await decide(town, verdict);
    const paid = await keyless.engine.payments.pay({ invoice }).then(
      () => true,
      () => false,
    );
    if (paid !== (verdict === "approve")) throw new Error(`${verdict}, and yet`);
  }
  await pay(keyless, bob, 500_000n);
  await pay(bob, keyless, 5_000_000n);
};

export const personScenes = {
  approvals: { play: approvals, policy: { unattendedFunding: 200_000, unattendedPayment: 1_000_000 } },
} satisfies Partial<Scenes>;
