/** How the demo starts the commands that a person would type, each in a process of its own. */

import type { ChildProcess } from "node:child_process";
import { join } from "node:path";

export const main = join(import.meta.dirname, `../main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`);

/** What the demo was started with may be refused by a process that is to hold keys. */
export const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|VITEST|VITE)/.test(name)));

/** Told of each process, so that none outlives a demo that ends at any moment. */
export type OnProcess = (child: ChildProcess) => void;
