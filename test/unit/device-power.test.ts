/** The power goes at every word that a device's flash takes in the life of a channel. */

import { expect, test } from "vitest";
import { equal } from "../../protocol/bytes.ts";
import { encodeCoreAnswer } from "../../protocol/device/core.ts";
import { unpackRequest } from "../../protocol/operations/index.ts";
import { random } from "../fuzz/random.ts";
import { type Moment, nameOf, recordLife } from "../scripted/device-life.ts";
import { type Core, openCore } from "../scripted/device-rig.ts";

const { moments } = await recordLife();

const begun = async (core: Core): Promise<boolean> => {
  const answer = await core.load();
  if (answer.is !== "begun") throw new Error(JSON.stringify(answer));
  return answer.isBehind;
};

/** Before the request, unlocked and loaded; a person has said again what they said. */
const before = async ({ flash, pages, step }: Moment, seed: number): Promise<Core> => {
  const core = await openCore({ flash: flash.fork({ int: random(seed).int }) });
  for (const [key, page] of pages) core.pages.set(key, page);
  core.step = step;
  expect(await begun(core)).toBe(false);
  return core;
};

const agree = async (core: Core, { request, agreed }: Moment): Promise<void> => {
  const asked = unpackRequest(request.request);
  if (asked.name === "decideApproval" && agreed.some((id) => equal(id, asked.body.id)))
    expect(await core.ask({ is: "consult", approval: asked.body.id })).toMatchObject({ verdict: "approve" });
};

const said = async (core: Core, { request }: Moment): Promise<Uint8Array> =>
  encodeCoreAnswer(await core.ask(request));

/** As a signer goes on that did not hear the answer: the same again, and nothing else is let through. */
const goesOn = async (core: Core, moment: Moment, other: Moment | undefined): Promise<boolean> => {
  let isBehind = await begun(core);
  if (isBehind && other !== undefined && !equal(other.request.request, moment.request.request)) {
    const wrong = await core.ask({ ...other.request, step: moment.request.step });
    expect(wrong).toEqual({ is: "refused", why: "page-differs" });
    isBehind = await begun(core);
    expect(isBehind).toBe(true);
  }
  if (!isBehind) await agree(core, moment);
  expect(await said(core, moment), nameOf(moment)).toEqual(encodeCoreAnswer(moment.answer));
  return isBehind;
};

test("at every word: the same bytes afterwards, and no other content of a step that was taken", async () => {
  let [behind, ahead] = [0, 0];
  for (const [at, moment] of moments.entries()) {
    // Another content for the same place: what came just before it, and what comes next.
    const others = [moments[at - 1], moments[at + 1]];
    for (let word = 0; word < moment.writes; word++) {
      const core = await before(moment, at * 100 + word);
      await agree(core, moment);
      core.flash.cutAfter(word);
      // Nothing is told that is not in flash; the process around it is off by now.
      expect((await core.ask(moment.request)).is).toBe("fault");
      await core.powerCycle();
      if (await goesOn(core, moment, others[word % 2])) behind += 1;
      else ahead += 1;
      const next = moments[at + 1];
      if (next !== undefined) expect(core.pages).toEqual(next.pages);
    }
  }
  // A word is torn at random, and the last one may be whole.
  expect(behind + ahead).toBeGreaterThan(450);
  expect(behind).toBeGreaterThan(0);
});

test("after every step whose answer is lost: given again while it is on, and taken again after it was off", async () => {
  for (const [at, moment] of moments.entries()) {
    const isStep = moment.writes > 0;
    const core = await before(moment, at);
    await agree(core, moment);
    const answer = await said(core, moment);
    expect(answer).toEqual(encodeCoreAnswer(moment.answer));
    const pages = isStep && "pages" in moment.answer ? moment.answer.pages : [];
    core.pages.clear();
    for (const [key, page] of moment.pages) core.pages.set(key, page);
    // Still on: whatever is asked, these come first.
    const other = moments[at + 1] ?? moment;
    if (isStep)
      expect(await core.ask({ ...other.request, step: moment.request.step })).toEqual({
        is: "pages",
        step: moment.request.step + 1n,
        pages,
      });
    for (const again of [1, 2]) {
      core.pages.clear();
      for (const [key, page] of moment.pages) core.pages.set(key, page);
      await core.powerCycle();
      expect(await goesOn(core, moment, moments[at - again]), `${nameOf(moment)} ${again}`).toBe(isStep);
    }
  }
});
