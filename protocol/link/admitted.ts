/** Which requests may be sent now. */

interface Shown<S> {
  /** The session in which the device said that a person is asked. */
  readonly shownIn: S | undefined;
}

interface Live<S> {
  readonly session: S;
  readonly hello: { readonly inFlight: number };
}

/** The first so many, in the order in which they were asked; what a person is asked takes nobody else's place. */
export const admittedOf = <S, E extends Shown<S>>(
  all: readonly E[],
  width: number,
  live: Live<S> | undefined,
): readonly E[] => {
  if (live === undefined) return all.slice(0, width);
  const isShown = ({ shownIn }: E): boolean => shownIn === live.session;
  const shown = all.filter(isShown);
  const room = Math.min(width, live.hello.inFlight - shown.length);
  return [...shown, ...all.filter((entry) => !isShown(entry)).slice(0, Math.max(0, room))];
};
