import type { Kind } from "../../rule.ts";

export interface Text {
  readonly kind: Kind;
  readonly sentence: string;
  readonly hint: string;
  /** Of a core rule: the same request may pass later, so its refusal is not final. */
  readonly later?: true;
}

export type Texts = Readonly<Record<string, Text>>;
