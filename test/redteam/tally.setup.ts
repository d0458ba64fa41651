/** Hands each test's count to whoever runs the suite: `npm run redteam` adds them up. */

import { afterEach, beforeEach } from "vitest";
import { type Tally, takeTally } from "../scripted/tally.ts";

declare module "vitest" {
  interface TaskMeta {
    tally?: Tally;
  }
}

beforeEach(() => {
  takeTally();
});

afterEach(({ task }) => {
  task.meta.tally = takeTally();
});
