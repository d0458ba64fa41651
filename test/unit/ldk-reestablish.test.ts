import { ChannelId, Option_C2Tuple_PublicKeyChannelIdZZ_Some } from "lightningdevkit";
import { beforeAll, expect, test } from "vitest";
import { loadLdk } from "../../host/ldk/library.ts";
import { openReestablishing } from "../../host/ldk/reestablish.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";

const curve = await loadNative();
const node = (n: number): Uint8Array => curve.publicKey(new Secret(new Uint8Array(32).fill(n)));
const [alice, bob] = [node(1), node(2)];
const idOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);

beforeAll(loadLdk);

interface Known {
  readonly id: number;
  readonly peer: Uint8Array;
  readonly isFunded: boolean;
}

/** What of a manager is asked here. */
const managerOf = (known: readonly Known[]) => {
  let all = known;
  const asked: string[] = [];
  const details = ({ id, peer, isFunded }: Known) => ({
    get_funding_txo: () => ({ ptr: isFunded ? 8n : 0n }),
    get_channel_id: () => ChannelId.constructor_new(idOf(id)),
    get_counterparty: () => ({ get_node_id: () => peer }),
  });
  const manager = {
    list_channels: () => all.map(details),
    list_channels_with_counterparty: (peer: Uint8Array) =>
      all.filter((one) => toHex(one.peer) === toHex(peer)).map(details),
    signer_unblocked: (one: unknown) => {
      if (!(one instanceof Option_C2Tuple_PublicKeyChannelIdZZ_Some)) asked.push("all");
      else asked.push(String(one.some.get_b().get_a()[0]));
    },
  };
  const reestablishing = openReestablishing(manager as never);
  return {
    ...reestablishing,
    forget: (id: number) => {
      all = all.filter((one) => one.id !== id);
    },
    went: () => {
      reestablishing.unblock();
      return asked.splice(0);
    },
  };
};

const channels: readonly Known[] = [
  { id: 1, peer: alice, isFunded: true },
  { id: 2, peer: alice, isFunded: true },
  { id: 3, peer: bob, isFunded: true },
];

test("a channel goes on when its own peer has reestablished it", () => {
  const one = managerOf(channels);
  expect(one.went()).toEqual([]);
  one.reestablished(alice, idOf(2));
  expect(one.went()).toEqual(["2"]);
  one.reestablished(alice, idOf(3));
  expect(one.went()).toEqual(["2"]);
  one.reestablished(alice, idOf(1));
  one.reestablished(bob, idOf(3));
  expect(one.went()).toEqual(["all"]);
});

test("a peer that left takes its own channels with it, and a closed one is forgotten", () => {
  const one = managerOf(channels);
  for (const { id, peer } of channels) one.reestablished(peer, idOf(id));
  one.left(alice);
  expect(one.went()).toEqual(["3"]);
  one.reestablished(alice, idOf(1));
  one.forget(2);
  one.went();
  expect(one.went()).toEqual(["all"]);
});

test("what has no funding yet has nothing to reestablish", () => {
  const one = managerOf([...channels, { id: 4, peer: bob, isFunded: false }]);
  one.left(bob);
  expect(one.went()).toEqual(["4"]);
});
