/** Drives one worker: surveys the tests once, then tries mutant after mutant. Ends a worker that hangs. */

import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Order, Report } from "./messages.ts";

/** Modules are never unloaded, so a worker is replaced before it has grown much. */
const lifetime = 200;

export interface Runner {
  /** `gone`: the process hung or died, which no other mutant has to suffer from. */
  ask(order: Order): Promise<Exclude<Report, { readonly is: "ready" | "busy" }> | { readonly is: "gone" }>;
  close(): void;
}

/**
 * V8 counts the calls of a function where it interprets it, and not where it has been inlined into another: a worker
 * that surveys must not optimise.
 */
export const surveying = ["--no-opt", "--no-maglev"] as const;

export const runner = (root: string, flags: readonly string[] = []): Runner => {
  let child: ChildProcess | undefined;
  let asked = 0;

  const close = (): void => {
    child?.removeAllListeners();
    child?.kill("SIGKILL");
    child = undefined;
  };

  const open = async (): Promise<ChildProcess> => {
    if (child !== undefined && asked < lifetime) return child;
    close();
    asked = 0;
    const made = fork(join(import.meta.dirname, "worker.ts"), [root], {
      cwd: root,
      execArgv: ["--max-old-space-size=2048", "--disable-warning=ExperimentalWarning", ...flags],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child = made;
    await new Promise<void>((resolve, reject) => {
      made.once("message", () => resolve());
      made.once("exit", (code) => reject(new Error(`the worker ended with code ${code}`)));
    });
    made.removeAllListeners();
    return made;
  };

  return {
    close,
    ask: async (order) => {
      const worker = await open();
      asked += 1;
      const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<Runner["ask"]>>>();
      const gone = (): void => {
        close();
        resolve({ is: "gone" });
      };
      let timer = setTimeout(gone, 60_000);
      worker.on("exit", gone);
      worker.on("message", (report: Report) => {
        clearTimeout(timer);
        if (report.is === "busy") timer = setTimeout(gone, report.ms);
        else if (report.is !== "ready") resolve(report);
      });
      worker.send(order);
      const answer = await promise;
      clearTimeout(timer);
      worker.removeAllListeners();
      return answer;
    },
  };
};
