/** Watches over a campaign in another process, and keeps what it finds or what ended it. */

import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { News, Order } from "./child.ts";
import { keep } from "./corpus.ts";
import { readDesk } from "./desk.ts";
import type { Tally } from "./loop.ts";
import { targets } from "./targets.ts";

export interface CampaignOptions extends Omit<Order, "desk"> {
  readonly onProgress: (tallies: readonly Tally[], ms: number) => void;
  readonly onFailure: (target: string, why: string, path: string) => void;
}

export interface Finished {
  readonly tallies: readonly Tally[];
  readonly outcomes: Extract<News, { is: "done" }>["outcomes"];
}

/** Milliseconds without a sign of life. It gives one every second, and a thousandth of this is slow for an input. */
const patience = 30_000;

const blamed = (tallies: readonly Tally[], name: string): readonly Tally[] => {
  const blank: Tally = { name, runs: 1, malformed: 0, accepted: 0, failures: 0 };
  const tally = tallies.find((one) => one.name === name) ?? blank;
  const others = tallies.filter((one) => one.name !== name);
  return [...others, { ...tally, failures: tally.failures + 1 }];
};

export const runCampaign = async ({
  onProgress,
  onFailure,
  ...order
}: CampaignOptions): Promise<Finished> => {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  const desk = join(folder, "desk");
  const start = performance.now();
  const child = fork(fileURLToPath(new URL("child.ts", import.meta.url)), [], {
    serialization: "advanced",
    execArgv: ["--max-old-space-size=1000"],
    // What V8 has to say when memory ends is no result.
    stdio: ["ignore", 2, 2, "ipc"],
  });
  let tallies: readonly Tally[] = [];
  let done: Finished | undefined;
  let heard = start;
  let hangs = false;
  child.on("message", (news: News) => {
    heard = performance.now();
    switch (news.is) {
      case "progress":
        ({ tallies } = news);
        onProgress(tallies, heard - start);
        return;
      case "failure":
        onFailure(news.target, news.why, keep(news.target, news.input));
        return;
      case "done":
        done = news;
        return;
    }
  });
  const watch = setInterval(() => {
    hangs = performance.now() - heard > patience;
    if (hangs) child.kill("SIGKILL");
  }, 1_000);
  try {
    child.send({ ...order, desk });
    const ended = await new Promise<string>((resolve) =>
      child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`)),
    );
    if (done !== undefined) return done;
    const tried = readDesk(desk);
    const target = targets[tried?.target ?? -1];
    if (tried === undefined || target === undefined) throw new Error(`the campaign did not begin: ${ended}`);
    const why = hangs ? `did not return within ${patience} ms` : `ended its process (${ended})`;
    onFailure(target.name, why, keep(target.name, tried.input));
    return { tallies: blamed(tallies, target.name), outcomes: [] };
  } finally {
    clearInterval(watch);
    rmSync(folder, { recursive: true, force: true });
  }
};
