import type { Curve } from "./curve.ts";
import { loadNative } from "./native.ts";
import { nobleCurve } from "./noble.ts";

export type {
  Curve,
  RecoverableSignature,
  SchnorrJob,
  SchnorrVerifyJob,
  SignJob,
  VerifyJob,
} from "./curve.ts";
export { loadNative, nobleCurve };

/** The backend that was asked for, or an error: a signer must never run on another one than its operator chose. */
export const openCurve = async (wanted: Curve["name"]): Promise<Curve> => {
  switch (wanted) {
    case "native":
      return loadNative();
    case "noble":
      return nobleCurve();
  }
};
