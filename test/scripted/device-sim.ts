/** A device in software as a process of its own, and the commands that people type at it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { Command } from "commander";
import { registerApprover } from "../../cli/approver/command.ts";
import { registerDevice } from "../../cli/device/command.ts";
import { pair } from "../../cli/device/pair.ts";
import { failureOf } from "../../cli/failure.ts";
import { registerStatus } from "../../cli/status.ts";
import type { Screen } from "../../firmware-sim/screen.ts";
import { environment as env } from "../environment.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  write(line: string): void;
  end(): void;
  /** Lines of JSON so far. */
  readonly count: number;
  /** The first line that fits; of those that came before, the ones from `from` count too. */
  line(fits: (json: Record<string, unknown>) => boolean, from?: number): Promise<Record<string, unknown>>;
  readonly ended: Promise<Ended>;
}

export const start = (...args: readonly string[]): Running => {
  const child = spawn(process.execPath, [main, "device", ...args], { env, stdio: ["pipe", "pipe", "pipe"] });
  const lines: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  let [stdout, stderr] = ["", ""];
  let isOver = false;
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.startsWith("{")) lines.push(JSON.parse(line) as Record<string, unknown>);
    for (const look of waiting) look();
  });
  const ended = once(child, "close").then(([code]) => {
    isOver = true;
    for (const look of waiting) look();
    return { code: code as number | null, stdout, stderr };
  });
  return {
    child,
    write: (line) => void child.stdin.write(`${line}\n`),
    end: () => void child.stdin.end(),
    get count() {
      return lines.length;
    },
    line: (fits, from = 0) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.slice(from).find(fits);
          if (found === undefined && !isOver) return;
          waiting.delete(look);
          if (found === undefined) reject(new Error(`it ended before that: ${stdout}${stderr}`));
          else resolve(found);
        };
        waiting.add(look);
        look();
      }),
    ended,
  };
};

export interface Simulator extends Running {
  readonly address: string;
  shows(fits: (screen: Screen) => boolean, from?: number): Promise<Screen>;
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

export const simulator = async (dir: string, ...more: readonly string[]): Promise<Simulator> => {
  const running = start("sim", "--dir", dir, "--json", ...more);
  await running.line(({ event }) => event === "ready");
  return {
    ...running,
    get count() {
      return running.count;
    },
    address: `unix:${join(dir, "device.sock")}`,
    shows: async (fits, from) => {
      const { screen } = await running.line(
        ({ event, screen }) => event === "screen" && fits(screen as Screen),
        from,
      );
      return screen as Screen;
    },
    stop: (signal = "SIGTERM") => {
      running.child.kill(signal);
      return running.ended;
    },
  };
};

/** In this process, so that a test need not wait for Node to start each time. */
const captured = async (action: () => Promise<unknown>, onText = (_: string): void => {}): Promise<Ended> => {
  const texts = { stdout: "", stderr: "" };
  const restore = (["stdout", "stderr"] as const).map((name) => {
    const { write } = process[name];
    process[name].write = ((chunk: string | Uint8Array) => {
      texts[name] += String(chunk);
      onText(String(chunk));
      return true;
    }) as typeof write;
    return () => {
      process[name].write = write;
    };
  });
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await action();
    return { code: Number(process.exitCode), ...texts };
  } catch (error) {
    const { code, text } = failureOf(error);
    return { code, stdout: texts.stdout, stderr: `${texts.stderr}${text}\n` };
  } finally {
    process.exitCode = before;
    for (const one of restore) one();
  }
};

const typed =
  (name: string, register: (program: Command) => void) =>
  (...args: readonly string[]): Promise<Ended> => {
    const program = new Command("countersign").exitOverride();
    register(program);
    return captured(() => program.parseAsync([name, ...args], { from: "user" }));
  };
export const device = typed("device", registerDevice);
export const approver = typed("approver", registerApprover);
export const status = typed("status", registerStatus);

/** Pairs as two careful people would, each looking at the other's screen; the device is opened when it is asked for. */
export const pairWith = (sim: Simulator, dir: string): Promise<Ended> => {
  const input = new PassThrough();
  const from = sim.count;
  const heard = ({ event, code }: { readonly event?: string; readonly code?: string }): void => {
    if (event === "waiting") sim.write("hold");
    if (event !== "code" || code === undefined) return;
    sim.write(`code ${code}`);
    void sim
      .shows(({ is }) => is === "pairing", from)
      .then((screen) => input.end(screen.is === "pairing" ? screen.code : ""));
  };
  return captured(
    () => pair({ dir, address: sim.address, codeOnStdin: true, json: true }, input),
    (text) => {
      if (text.startsWith("{")) heard(JSON.parse(text) as Parameters<typeof heard>[0]);
    },
  );
};
