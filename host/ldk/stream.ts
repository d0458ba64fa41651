/** Events for as many as want them, each at its own pace. */

export interface Stream<T> {
  push(value: T): void;
  end(): void;
  /** From now on. */
  listen(): AsyncIterableIterator<T>;
}

/** Who does not read loses the oldest. */
const most = 10_000;

export const openStream = <T>(): Stream<T> => {
  const listeners = new Set<{ push(value: T): void; end(): void }>();
  let isOver = false;
  return {
    push: (value) => {
      for (const listener of listeners) listener.push(value);
    },
    end: () => {
      isOver = true;
      for (const listener of listeners) listener.end();
    },
    listen: () => {
      const waiting: T[] = [];
      const askers: ((result: IteratorResult<T, undefined>) => void)[] = [];
      let isDone = isOver;
      const listener = {
        push: (value: T): void => {
          const asker = askers.shift();
          if (asker !== undefined) asker({ done: false, value });
          else if (waiting.push(value) > most) waiting.shift();
        },
        end: (): void => {
          isDone = true;
          listeners.delete(listener);
          for (const asker of askers.splice(0)) asker({ done: true, value: undefined });
        },
      };
      listeners.add(listener);
      const iterator: AsyncIterableIterator<T, undefined> = {
        next: () => {
          const [value] = waiting.splice(0, 1);
          if (value !== undefined) return Promise.resolve({ done: false, value });
          if (isDone) return Promise.resolve({ done: true, value: undefined });
          return new Promise((resolve) => void askers.push(resolve));
        },
        return: () => {
          listener.end();
          return Promise.resolve({ done: true, value: undefined });
        },
        [Symbol.asyncIterator]: () => iterator,
      };
      return iterator;
    },
  };
};
