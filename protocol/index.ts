/** The shared language: `countersign/protocol`. */

export * from "./bytes.ts";
export { isKnown, type Maybe, type Unknown, unknown } from "./codec.ts";
export {
  type Curve,
  loadNative,
  nobleCurve,
  openCurve,
  type SignJob,
  type VerifyJob,
} from "./curve/index.ts";
export { Malformed } from "./malformed.ts";
export * from "./operations/index.ts";
export type { Fault, Outcome, Refusal } from "./outcome.ts";
export { Secret } from "./secret.ts";
export * from "./units.ts";
