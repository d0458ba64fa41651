/**
 * Suite `protocol`: what one commitment costs, on one thread and without transport, rules or disk. Each figure is
 * taken beside the limit in C, which does the curve work of the very same commitments a moment later or before.
 */

import { type Curve, openCurve } from "../protocol/curve/index.ts";
import type { Signature } from "../protocol/units.ts";
import {
  bytesOf,
  type Channel,
  channelOf,
  digestsOf,
  keysOf,
  roundOf,
  sign,
  type Task,
  tasks,
} from "./commitments.ts";
import { type Kind, openLimit, type PresentLimit } from "./limit.ts";
import { median, quantile, rounded } from "./statistics.ts";

export interface ProtocolRow {
  /** `sign` and `validate` are the whole work of a commitment; `rest` is what of it is no curve work. */
  readonly name: "sign" | "validate" | "rest";
  readonly of?: "sign" | "validate";
  readonly htlcs: number;
  readonly backend: Curve["name"];
  readonly threads: number;
  readonly lowR: boolean;
  readonly p50us: number;
  readonly p10us: number;
  /** Median of the ratios of neighbours. */
  readonly ratioToLimit: number | null;
  readonly limitP50us: number | null;
  /** Of the whole work. */
  readonly share?: number;
  readonly commitments: number;
}

export interface ProtocolReport {
  readonly suite: "protocol";
  readonly limit: string | null;
  readonly rows: readonly ProtocolRow[];
}

interface Timed {
  readonly totalUs: number;
  readonly restUs: number;
}

const now = (): number => performance.now() * 1000;

type Measure = (task: Task) => Timed & { readonly signatures: readonly Signature[] };

const signing =
  (curve: Curve, channel: Channel, lowR: boolean): Measure =>
  (task) => {
    const start = now();
    const keys = keysOf(curve, channel, task);
    const built = now();
    const digests = digestsOf(task, keys);
    const rest = now() - built;
    const signatures = sign(curve, channel, task, digests, lowR);
    return { totalUs: now() - start, restUs: rest, signatures };
  };

const validating = (curve: Curve, channel: Channel, signer: Curve): Measure => {
  const key = channel.countersignatory.basepoints.funding;
  return (task) => {
    const signatures = sign(signer, channel, task, digestsOf(task, keysOf(signer, channel, task)), false);
    const start = now();
    const keys = keysOf(curve, channel, task);
    const built = now();
    const { commitment, htlcs } = digestsOf(task, keys);
    const rest = now() - built;
    const [first, ...others] = signatures;
    if (first === undefined) throw new RangeError("no signature");
    const valid = curve.verifyBatch([
      { digest: commitment.digest, signature: first, key },
      ...others.map((signature, i) => ({
        digest: htlcs[i] as Uint8Array,
        signature,
        key: keys.countersignatoryHtlc,
      })),
    ]);
    const totalUs = now() - start;
    if (valid.includes(false)) throw new Error("a good signature was not taken");
    return { totalUs, restUs: rest, signatures };
  };
};

const mix = (signatures: readonly (readonly Signature[])[]): string => {
  const mixed = new Uint8Array(64);
  for (const signature of signatures.flat())
    for (let i = 0; i < 64; i++) mixed[i] = (mixed[i] as number) ^ (signature[i] as number);
  return Buffer.from(mixed).toString("hex");
};

interface Case {
  readonly kind: Kind;
  readonly htlcs: number;
  readonly lowR: boolean;
  readonly curve: Curve;
  /** Makes the peer's signatures and whatever else is not timed. */
  readonly helper: Curve;
  readonly pairs: number;
  /** Commitments of each side in a pair. */
  readonly block: number;
  readonly limit: PresentLimit | undefined;
}

interface Pair {
  readonly ours: readonly Timed[];
  readonly limitUs: number | undefined;
}

const runCase = async ({ kind, htlcs, lowR, curve, helper, pairs, block, limit }: Case): Promise<Pair[]> => {
  const channel = channelOf(helper, kind);
  const { funding, htlc } = channel.countersignatory.secrets;
  const measure = kind === "sign" ? signing(curve, channel, lowR) : validating(curve, channel, helper);
  const numbersOf = (pair: number) => Array.from({ length: block }, (_, i) => pair * block + i);

  // The compiler has to have seen the code before it is judged.
  const warm = now() + (curve.name === "native" ? 300_000 : 0);
  for (let n = 1_000_000; n === 1_000_000 || now() < warm; n++)
    for (const task of tasks(helper, channel, htlcs, [n])) measure(task);

  const done: Pair[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const given = tasks(helper, channel, htlcs, numbersOf(pair));
    const rounds = given.map((task) => roundOf(helper, channel, task));
    const jobs = { kind, lowR, funding: bytesOf(funding), htlcBase: bytesOf(htlc), rounds };
    const ours = () => given.map(measure);
    const limits = () => limit?.time(jobs);
    // Who comes first alternates, so that a machine that grows slower favours none.
    let [mine, its] = pair % 2 === 0 ? [ours(), undefined] : [undefined, await limits()];
    mine ??= ours();
    its ??= await limits();
    if (its !== undefined && its.xor !== mix(mine.map(({ signatures }) => signatures)))
      throw new Error("the limit signed something else: the two can't be compared");
    done.push({ ours: mine, limitUs: its?.p50us });
  }
  return done;
};

const rowsOf = (
  { kind, htlcs, lowR, curve, limit }: Case,
  pairs: readonly Pair[],
): readonly ProtocolRow[] => {
  const all = pairs.flatMap(({ ours }) => ours);
  const name = kind === "sign" ? "sign" : "validate";
  const ratios = pairs.flatMap(({ ours, limitUs }) =>
    limitUs === undefined ? [] : [median(ours.map(({ totalUs }) => totalUs)) / limitUs],
  );
  const limits = pairs.flatMap(({ limitUs }) => limitUs ?? []);
  const totals = all.map(({ totalUs }) => totalUs);
  const rests = all.map(({ restUs }) => restUs);
  const common = { htlcs, backend: curve.name, threads: 1, lowR, commitments: all.length };
  return [
    {
      name,
      ...common,
      p50us: rounded(median(totals)),
      p10us: rounded(quantile(totals, 0.1)),
      ratioToLimit: limit === undefined ? null : rounded(median(ratios), 3),
      limitP50us: limit === undefined ? null : rounded(median(limits)),
    },
    {
      name: "rest",
      of: name,
      ...common,
      p50us: rounded(median(rests)),
      p10us: rounded(quantile(rests, 0.1)),
      ratioToLimit: null,
      limitP50us: null,
      share: rounded(median(all.map(({ restUs, totalUs }) => restUs / totalUs)), 4),
    },
  ];
};

/** Commitments in a block, by backend: enough of them that starting the limit's process does not weigh. */
const sizes = [
  { htlcs: 0, native: 100, noble: 10 },
  { htlcs: 10, native: 40, noble: 5 },
  { htlcs: 100, native: 8, noble: 1 },
  { htlcs: 483, native: 3, noble: 1 },
] as const;

const works = [
  { kind: "sign", lowR: false },
  { kind: "sign", lowR: true },
  { kind: "verify", lowR: false },
] as const;

export interface ProtocolOptions {
  /** Pairs per row of the native backend; noble gets a fifth of them. */
  readonly rounds?: number | undefined;
  readonly say: (line: string) => void;
}

export const runProtocol = async ({ rounds = 15, say }: ProtocolOptions): Promise<ProtocolReport> => {
  const [native, noble] = [await openCurve("native"), await openCurve("noble")];
  const opened = await openLimit();
  const limit = "absent" in opened ? undefined : opened;
  if ("absent" in opened) say(`no limit to compare with: ${opened.absent}`);
  const rows: ProtocolRow[] = [];
  for (const curve of [native, noble])
    for (const { htlcs, ...blocks } of sizes)
      for (const { kind, lowR } of works) {
        const one: Case = {
          ...{ kind, htlcs, lowR, curve, helper: native, limit },
          pairs: curve === native ? rounds : Math.ceil(rounds / 5),
          block: blocks[curve.name],
        };
        const made = rowsOf(one, await runCase(one));
        rows.push(...made);
        const [whole, rest] = made;
        say(
          `${whole?.name} ${htlcs} HTLCs, ${curve.name}${lowR ? ", low R" : ""}: ${whole?.p50us} µs, ` +
            `${whole?.ratioToLimit ?? "?"} x the limit, ${((rest?.share ?? 0) * 100).toFixed(1)} % no curve work`,
        );
      }
  return { suite: "protocol", limit: limit === undefined ? null : `libsecp256k1 ${limit.version}`, rows };
};
