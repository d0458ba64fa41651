import { clnKeys } from "./cln.ts";
import { ldkKeys } from "./ldk.ts";
import { lndKeys } from "./lnd.ts";
import { nativeKeys } from "./native.ts";
import type { KeysRoot, NodeKeys } from "./node-keys.ts";
import type { Style } from "./seed.ts";

const openers: Readonly<Record<Style, (root: KeysRoot) => NodeKeys>> = {
  native: nativeKeys,
  ldk: ldkKeys,
  cln: clnKeys,
  lnd: lndKeys,
};

/** The seed becomes the keys' own: `close` wipes it. */
export const openKeys = (style: Style, root: KeysRoot): NodeKeys => openers[style](root);
