import { LinkUnavailable } from "./trouble.ts";

/** The one that is meant: none and several are said in words. */
export const only = <T>(where: string, found: readonly T[], nameOf: (one: T) => string): T => {
  const [first, ...others] = found;
  if (first === undefined)
    throw new LinkUnavailable(
      "missing",
      `There is no ${where}.`,
      "Is it plugged in and switched on? countersign doctor lists what is there.",
    );
  if (others.length === 0) return first;
  throw new LinkUnavailable(
    "ambiguous",
    `${found.length} devices are ${where}.`,
    `Say which, by its serial number at the end: ${found.map(nameOf).join(", ")}.`,
  );
};
