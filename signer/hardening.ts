/**
 * What Node leaves open on a process that holds keys: the debugger, dumps, reports, other users. Called before
 * anything else is. A process of the same user, or root, is not kept out by any of it: see docs/keys.md.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeSync } from "node:fs";
import { url as inspectorUrl } from "node:inspector";
import { SetupError } from "./setup-error.ts";

/** What could not be closed from inside. */
export interface Finding {
  readonly subject: "core-dump" | "ptrace";
  readonly sentence: string;
  readonly remedy: string;
}

/**
 * A list of what is harmless and not of what is harmful: every release of Node has new ways to write memory to a
 * file or to run foreign code first.
 */
const harmless: ReadonlySet<string> = new Set([
  "--allow-addons",
  "--allow-child-process",
  "--allow-fs-read",
  "--allow-fs-write",
  "--allow-net",
  "--allow-worker",
  "--disable-sigusr1",
  "--disable-warning",
  "--dns-result-order",
  "--enable-source-maps",
  "--max-old-space-size",
  "--max-semi-space-size",
  "--no-warnings",
  "--permission",
  "--secure-heap",
  "--secure-heap-min",
  "--stack-trace-limit",
  "--use-bundled-ca",
  "--use-openssl-ca",
  "--use-system-ca",
]);

/** These write what passes through the process to a file or to the terminal. */
const leaking = ["NODE_V8_COVERAGE", "NODE_DEBUG", "NODE_DEBUG_NATIVE"] as const;

/** Whoever can write there can put other code in the place of ours: Node takes what it kept once without a second look. */
const othersWriteTo = (path: string): boolean => {
  try {
    const { uid, mode } = statSync(path);
    return uid !== process.getuid?.() || (mode & 0o022) !== 0;
  } catch {
    return true;
  }
};

export interface Start {
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly inspected: boolean;
}

const firstHarmful = (options: readonly string[]): string | undefined =>
  options
    .filter((option) => option.startsWith("-"))
    .map((option) => option.split("=", 1)[0]?.replaceAll("_", "-") ?? "")
    .find((name) => !harmless.has(name));

/** Undefined where nothing speaks against holding keys. */
export const openDoor = ({ execArgv, env, inspected }: Start): SetupError | undefined => {
  const unsafe = (what: string, remedy: string) =>
    new SetupError("unsafe", `${what}: that may show the keys, or run other code beside them`, remedy);
  const options = env["NODE_OPTIONS"]?.split(/\s+/) ?? [];
  const inherited = firstHarmful(options);
  if (inherited !== undefined)
    return unsafe(
      `NODE_OPTIONS has ${inherited}`,
      "Start countersign without it: `env -u NODE_OPTIONS ...`.",
    );
  const given = firstHarmful(execArgv);
  if (given !== undefined) return unsafe(`Node was started with ${given}`, "Start it without that option.");
  const variable = leaking.find((name) => env[name] !== undefined);
  if (variable !== undefined)
    return unsafe(`${variable} is set`, `Start countersign without it: \`env -u ${variable} ...\`.`);
  const cache = env["NODE_COMPILE_CACHE"];
  if (cache !== undefined && othersWriteTo(cache))
    return unsafe(
      `NODE_COMPILE_CACHE is ${cache}, which others may write to`,
      "Make it this user's alone (`chmod 700`), or start countersign without it: `env -u NODE_COMPILE_CACHE ...`.",
    );
  if (inspected) return unsafe("Node's debugger is on", "Start countersign without a debugger.");
  return undefined;
};

const readOr = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
};

/** The soft limit, in bytes. */
export const coreLimitIn = (limits: string): number | undefined => {
  const soft = /^Max core file size\s+(\S+)/m.exec(limits)?.[1];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
};

/**
 * core(5): a handler behind a pipe is called whatever the limit, and a limit of 1 alone keeps the kernel from
 * calling it; for a file anything below a page does.
 */
export const dumpsNothing = (limit: number, pattern: string): boolean =>
  pattern.startsWith("|") ? limit === 1 : limit <= 1;

const prlimit = ["/usr/bin/prlimit", "/bin/prlimit"];

/** Node cannot call setrlimit; util-linux's prlimit can, on its parent. The kernel is asked what came of it. */
const forbidCoreDump = (): Finding | undefined => {
  const pattern = readOr("/proc/sys/kernel/core_pattern") ?? "|unknown";
  const limit = () => coreLimitIn(readOr("/proc/self/limits") ?? "");
  const before = limit();
  if (before === undefined)
    return {
      subject: "core-dump",
      sentence: "this system does not tell whether a crash would write the keys into a core dump",
      remedy: 'Forbid core dumps for this user, and set `dumps = "warn"` in the configuration.',
    };
  if (dumpsNothing(before, pattern)) return undefined;
  const tool = prlimit.find((path) => existsSync(path));
  if (tool !== undefined)
    spawnSync(tool, ["--core=1:1", "--pid", String(process.pid)], { stdio: "ignore", timeout: 5_000 });
  const after = limit();
  if (after !== undefined && dumpsNothing(after, pattern)) return undefined;
  return {
    subject: "core-dump",
    sentence: "a crash would write the keys into a core dump",
    remedy: "Set `LimitCORE=1` in the service's unit, or install prlimit (util-linux).",
  };
};

const ptraceable = (): Finding | undefined =>
  readOr("/proc/sys/kernel/yama/ptrace_scope") === "0"
    ? {
        subject: "ptrace",
        sentence: "any process of the same user can read this one's memory",
        remedy: "Give countersign a user of its own, or set kernel.yama.ptrace_scope to 1.",
      }
    : undefined;

const framesOf = (stack: string | undefined): readonly string[] =>
  stack
    ?.split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8) ?? [];

const word = (value: unknown): string | undefined =>
  typeof value === "string" && /^[A-Za-z0-9_]{1,64}$/.test(value) ? value : undefined;

/**
 * Name, code and place. Never the message, unless it is ours: libraries quote in it what they were given, and that
 * may have been a key.
 */
export const faultText = (error: unknown): string => {
  if (!(error instanceof Error)) return `fault: a thrown ${error === null ? "null" : typeof error}`;
  if (error instanceof SetupError) return `fault: ${error.message}`;
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  const about = [word(code), word(syscall)].filter((part) => part !== undefined).join(" ");
  const head = `fault: ${word(error.name) ?? "Error"}${about === "" ? "" : ` (${about})`}`;
  const cause = error.cause instanceof Error ? [`caused by ${faultText(error.cause)}`] : [];
  return [head, ...framesOf(error.stack), ...cause].join("\n");
};

const die = (error: unknown): never => {
  try {
    writeSync(2, `countersign: ${faultText(error)}\n`);
  } finally {
    process.exit(1);
  }
};

/** Throws where it refuses to run at all; what it found but cannot change is for the caller to judge. */
export const harden = (): readonly Finding[] => {
  // Without a listener SIGUSR1 opens the debugger to every process of the same user.
  process.on("SIGUSR1", () => undefined);
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
  process.umask(0o077);
  // A diagnostic report would hold the environment and pieces of the heap. (`excludeNetwork` is not in the types.)
  Object.assign(process.report, {
    reportOnFatalError: false,
    reportOnSignal: false,
    reportOnUncaughtException: false,
    excludeEnv: true,
    excludeNetwork: true,
  });
  const { execArgv, env } = process;
  const refused = openDoor({ execArgv, env, inspected: inspectorUrl() !== undefined });
  if (refused !== undefined) throw refused;
  return [forbidCoreDump(), ptraceable()].filter((finding) => finding !== undefined);
};

/** To be called before keys are loaded. Gives back what is only to be warned of. */
export const acceptFindings = (
  findings: readonly Finding[],
  dumps: "refuse" | "warn",
): readonly Finding[] => {
  const fatal = findings.find(({ subject }) => subject === "core-dump" && dumps === "refuse");
  if (fatal !== undefined)
    throw new SetupError(
      "unsafe",
      fatal.sentence,
      `${fatal.remedy} \`dumps = "warn"\` lets it run as it is.`,
    );
  return findings;
};
