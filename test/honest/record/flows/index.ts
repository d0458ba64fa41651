/** Everything that is recorded. */

import type { Scenes } from "../town.ts";
import { brokenScenes } from "./broken.ts";
import { closingScenes } from "./closing.ts";
import { paymentScenes } from "./payments.ts";
import { personScenes } from "./person.ts";
import { routeScenes } from "./routes.ts";

export const scenes: Scenes = {
  ...paymentScenes,
  ...routeScenes,
  ...closingScenes,
  ...brokenScenes,
  ...personScenes,
};
