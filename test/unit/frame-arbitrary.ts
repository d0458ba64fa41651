import * as fc from "fast-check";
import { broadcast, type Frame, type FrameType, frameTypes, maxPayload } from "../../protocol/frame.ts";

const word = fc.oneof(fc.constantFrom(0, 1, 0x0100_0000, broadcast), fc.nat(broadcast));

export const anyFrame = (longest = maxPayload): fc.Arbitrary<Frame> =>
  fc.record({
    channel: word,
    type: fc.constantFrom(...(Object.keys(frameTypes) as FrameType[])),
    sequence: word,
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.tuple(fc.nat(longest), fc.nat(255)).map(([length, byte]) => new Uint8Array(length).fill(byte)),
    ),
  });
