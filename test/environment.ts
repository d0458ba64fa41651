/** Of processes that tests start. */

/**
 * What vitest sets for its own workers is refused by a process that is to hold keys. Where compiled code is kept (see
 * vitest.config.ts) is theirs too: half of what a command takes to start is to read its source.
 */
export const environment: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => name === "NODE_COMPILE_CACHE" || !/^(NODE_|VITEST|VITE)/.test(name),
  ),
);
