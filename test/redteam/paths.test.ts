/** Red-team 4: the same requests on every path that signs get the same refusals, and the same bytes. */

import { beforeAll, describe, expect, test } from "vitest";
import { namesOf } from "../../protocol/operations/index.ts";
import { campaign, type Said } from "../scripted/campaign.ts";
import { type OpenRoad, printed, roads } from "../scripted/roads.ts";
import { attack, honest } from "../scripted/tally.ts";

const told = async (road: OpenRoad): Promise<readonly Said[]> => {
  try {
    return await campaign({ node: road.keyring.node, keyring: road.keyring, ask: road.ask });
  } finally {
    await road.close();
  }
};
const open = (name: string): Promise<OpenRoad> => {
  const road = roads[name];
  if (road === undefined) throw new RangeError(name);
  return road();
};
const lines = (said: readonly Said[]): readonly string[] =>
  said.map(({ name, what, outcome }) => `${name}, ${what}: ${printed(outcome)}`);

const [plain = "", ...others] = Object.keys(roads);
let first: readonly Said[];
beforeAll(async () => {
  first = await told(await open(plain));
});

const held = async (said: readonly Said[]): Promise<void> => {
  for (const { what, name, expected, outcome } of said)
    if (expected === "passes") await honest(() => expect(outcome.is, `${name}, ${what}`).toBe("reply"));
    else await attack(`${name}: ${what}`, () => expect(outcome.is, printed(outcome)).toBe("refusal"));
};

describe("what one path refuses, all refuse", () => {
  test(plain, () => held(first));

  test.each(others)("%s", async (name) => {
    const said = await told(await open(name));
    await held(said);
    expect(lines(said)).toEqual(lines(first));
  });
});

/** Nothing is signed by these, or they are not for the host of a channel. */
const silent = [
  ...["randomBytes", "withdrawPayment", "showPreimages", "checkPayment", "forget", "heartbeat"],
  ...[
    "chainTip",
    "chainConnect",
    "chainDisconnect",
    "chainWatches",
    "chainPart",
    "chainHeaders",
    "chainProof",
    "chainFeed",
  ],
];

test("every operation that signs is among them, asked by an honest host and by a hostile one", async () => {
  const asked = new Set<string>(first.map(({ name }) => name));
  expect(namesOf("host").filter((name) => !asked.has(name) && !silent.includes(name))).toEqual([]);
  await honest(() =>
    expect(first.filter(({ expected }) => expected === "passes").length).toBeGreaterThan(40),
  );
  await attack("all of them", () =>
    expect(first.filter(({ expected }) => expected === "refused").length).toBeGreaterThan(30),
  );
});
