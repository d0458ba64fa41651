/** What is said of earlier requests is as durable as they are. */

import { expect, test } from "vitest";
import type { Store } from "../../signer/core/ports.ts";
import { htlcOf, keysendOf } from "../scripted/channel.ts";
import { rig } from "../scripted/road.ts";

test("a payment that is asked about again is not called approved before its approval is on disk", async () => {
  const disk = Promise.withResolvers<void>();
  let held = false;
  const slow = (store: Store): Store => ({
    ...store,
    commit: async (group) => {
      if (held) await disk.promise;
      return await store.commit(group);
    },
  });
  const signer = await rig({ wrap: slow });
  const { node } = signer.session;
  const proposal = keysendOf(node, htlcOf("holder", 1_000_000n, "tea"));
  held = true;
  const first = signer.call("proposePayment", proposal);
  let isTold = false;
  const again = signer.call("proposePayment", proposal).finally(() => {
    isTold = true;
  });
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(isTold).toBe(false);
  disk.resolve();
  expect(await again).toEqual(await first);
  expect(await again).toMatchObject({ standing: "approved" });
});
