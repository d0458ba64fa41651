/**
 * The lower bound that signing and verifying are measured against: the same curve work in C, over the libsecp256k1
 * that this system ships. Quote the ratio to it, never its microseconds.
 */
import { spawn } from "node:child_process";
import { mkdir, rename } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { toHex } from "../protocol/bytes.ts";
import { sha256 } from "../protocol/hash.ts";

/** The counterparty's commitment, keys and signatures, or keys and the verification of the holder's. */
export type Kind = "sign" | "verify";

export interface Load {
  readonly htlcs: number;
  readonly rounds: number;
  readonly lowR: boolean;
  /** `sign` unless told. */
  readonly work?: Kind;
  readonly seed?: number;
}

/** One commitment. */
export interface Round {
  /** Added to the secret of the HTLC basepoint. */
  readonly tweak: Uint8Array;
  /** The commitment's, then its HTLCs'; in every round as many. */
  readonly digests: readonly Uint8Array[];
}

/** Jobs that somebody else did too, to be timed beside them. */
export interface Jobs {
  readonly kind: Kind;
  readonly lowR: boolean;
  readonly funding: Uint8Array;
  readonly htlcBase: Uint8Array;
  readonly rounds: readonly Round[];
}

export interface Measured {
  readonly p50us: number;
  readonly p10us: number;
  /** Signatures made, those included that grinding threw away. */
  readonly tried: number;
  /** All signatures of all rounds: equal when the other side did the same work. */
  readonly xor: string;
}

export interface PresentLimit {
  readonly version: string;
  measure(load: Load): Promise<Measured>;
  time(jobs: Jobs): Promise<Measured>;
}

export type Limit = PresentLimit | { readonly absent: string };

const tagged = (tag: string, ...numbers: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(tag.length + 4 * numbers.length);
  new TextEncoder().encodeInto(tag, bytes);
  const view = new DataView(bytes.buffer);
  for (const [i, number] of numbers.entries()) view.setUint32(tag.length + 4 * i, number, true);
  return sha256(bytes);
};

/** Round r of a load with N HTLCs takes the digests from r * (N + 1): the commitment's, then the HTLCs'. */
export const benchDigest = (index: number, seed = 1): Uint8Array => tagged("countersign-bench", seed, index);

/** Signs each round's commitment; the HTLCs' key is this one tweaked with the round's first digest. */
export const benchKey = (seed = 1): Uint8Array => tagged("countersign-bench-key", seed);

const benchJobs = ({ htlcs, rounds, lowR, work = "sign", seed = 1 }: Load): Jobs => ({
  kind: work,
  lowR,
  funding: benchKey(seed),
  htlcBase: benchKey(seed),
  rounds: Array.from({ length: rounds }, (_, round) => {
    const tweak = benchDigest(round * (htlcs + 1), seed);
    const others = Array.from({ length: htlcs }, (_, i) => benchDigest(round * (htlcs + 1) + 1 + i, seed));
    return { tweak, digests: [tweak, ...others] };
  }),
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Undefined when there is no such program. */
const run = (program: string, args: readonly string[], input = ""): Promise<Ran | undefined> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args);
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    child.on("error", (error) =>
      "code" in error && error.code === "ENOENT" ? resolve(undefined) : reject(error),
    );
    child.on("close", (code) => resolve({ code, out, err }));
    // A child that ends before it has read everything is judged by its exit code.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });

const packageConfig = async (...args: readonly string[]): Promise<string | undefined> => {
  const ran = await run("pkg-config", [...args, "libsecp256k1"]);
  return ran?.code === 0 ? ran.out.trim() : undefined;
};

const compiler = async (): Promise<string | undefined> => {
  for (const name of ["cc", "gcc", "clang"]) if ((await run(name, ["--version"]))?.code === 0) return name;
  return undefined;
};

const folder = new URL("limit/", import.meta.url);
const build = new URL("build/", folder);

/** Built anew each time, which takes a tenth of a second and is never stale. */
export const openLimit = async (): Promise<Limit> => {
  const cc = await compiler();
  if (cc === undefined) return { absent: "no C compiler (cc, gcc or clang)" };
  const flags = (await packageConfig("--cflags"))?.split(/\s+/).filter(Boolean) ?? [];
  const libraries = (await packageConfig("--libs"))?.split(/\s+/).filter(Boolean) ?? ["-lsecp256k1"];
  const probe = await run(cc, [...flags, "-x", "c", "-fsyntax-only", "-"], "#include <secp256k1.h>\n");
  if (probe?.code !== 0) return { absent: "no secp256k1.h (Debian: libsecp256k1-dev)" };

  await mkdir(build, { recursive: true });
  const program = fileURLToPath(new URL("limit", build));
  const fresh = `${program}.${process.pid}`;
  const source = fileURLToPath(new URL("limit.c", folder));
  const made = await run(cc, [
    "-std=c99",
    "-O2",
    "-Wall",
    "-Wextra",
    ...flags,
    "-o",
    fresh,
    source,
    ...libraries,
  ]);
  if (made?.code !== 0) throw new Error(`bench/limit does not compile:\n${made?.err}`);
  await rename(fresh, program);

  const time = async ({ kind, lowR, funding, htlcBase, rounds }: Jobs): Promise<Measured> => {
    const lines = [funding, htlcBase, ...rounds.flatMap(({ tweak, digests }) => [tweak, ...digests])];
    const htlcs = (rounds[0]?.digests.length ?? 0) - 1;
    const options = { htlcs, rounds: rounds.length, "low-r": Number(lowR), work: kind };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const ran = await run(program, args, `${lines.map(toHex).join("\n")}\n`);
    const [, p50, p10, tried, xor] =
      /^p50=(\S+) p10=(\S+) tried=(\d+) xor=([0-9a-f]{128})\n$/.exec(ran?.out ?? "") ?? [];
    if (ran?.code !== 0 || xor === undefined) throw new Error(`bench/limit failed: ${ran?.err}`);
    return { p50us: Number(p50), p10us: Number(p10), tried: Number(tried), xor };
  };
  const version = (await packageConfig("--modversion")) ?? "unknown";
  return { version, time, measure: (load) => time(benchJobs(load)) };
};
