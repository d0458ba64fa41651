/** The tests that are imported after it run against a device's core, asked directly. */

import { beforeEach } from "vitest";
import { deviceRig, testsElsewhere } from "./device-rig.ts";
import { rigsAre } from "./road.ts";

declare module "vitest" {
  interface TaskMeta {
    /** It needs what is not there, and says nothing of it. */
    elsewhere?: string;
  }
}

export const onDevices = ({ ignored = [] }: { readonly ignored?: readonly "verify"[] } = {}): void => {
  rigsAre(deviceRig);
  beforeEach((context) => {
    testsElsewhere({
      ignored,
      leave: (what) => {
        context.task.meta.elsewhere = what;
        return context.skip(what);
      },
    });
  });
};
