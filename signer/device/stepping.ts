/** Requests that name the step to which all pages are kept, and that a person may take their time for. */

import type { CoreAnswer, CoreRequest } from "../../protocol/device/core.ts";
import type { Shelf } from "./shelf.ts";

export interface SteppingParts {
  readonly shelf: Pick<Shelf, "step" | "keep">;
  readonly request: (body: () => CoreRequest, patienceMs?: number) => Promise<CoreAnswer>;
  /** Between two steps of the device. */
  readonly inTurn: <T>(action: () => Promise<T>) => Promise<T>;
}

/** A step that was taken meanwhile is another reason to ask again; in its turn none is. */
const tries = 4;

const isStale = (answer: CoreAnswer): boolean =>
  answer.is === "pages" || (answer.is === "refused" && answer.why === "pages-old");

/** Nothing else waits for the person: only the second try, of what they said, is in its turn. */
export const stepping =
  ({ shelf, request, inTurn }: SteppingParts) =>
  async (body: (step: bigint) => CoreRequest, patienceMs?: number): Promise<CoreAnswer> => {
    const ask = (): Promise<CoreAnswer> => request(() => body(shelf.step()), patienceMs);
    let answer = await ask();
    for (let i = 0; i < tries && isStale(answer); i++)
      answer = await inTurn(async () => {
        const again = await ask();
        if (again.is === "pages") await shelf.keep(again);
        return again;
      });
    return answer;
  };
