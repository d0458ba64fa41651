/** Time and chance for links. */

import { randomBytes } from "node:crypto";
import type { LinkPorts } from "../../protocol/link.ts";

export const after: LinkPorts["after"] = (ms, action) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

export const linkPorts: LinkPorts = {
  random: (length) => new Uint8Array(randomBytes(length)),
  after,
};
