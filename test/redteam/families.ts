/** The fifteen families of attacks, and which tests belong to each. A test that none claims fails the run. */

export interface Claim {
  /** `test/redteam/FILE.test.ts`. */
  readonly file: string;
  /** Only tests whose describe, or own name, begins so; else all of the file that no family claims so. */
  readonly under?: string;
}

export interface Family {
  readonly n: number;
  readonly name: string;
  readonly tests: readonly Claim[];
  /** What it waits for, where it has no tests yet. */
  readonly missing?: string;
}

const file = (name: string, under?: string): Claim =>
  under === undefined ? { file: name } : { file: name, under };

export const families: readonly Family[] = [
  { n: 1, name: "a gossip message that is really a preimage of the funding output", tests: [file("gossip")] },
  {
    n: 2,
    name: "outgoing HTLCs without cover",
    tests: [file("forwarding"), file("unfunded"), file("heist"), file("leaks")],
  },
  {
    n: 3,
    name: "revoked and broadcast",
    tests: [
      file("revocation", "a commitment is revoked or broadcast"),
      file("leaks", "a revoked commitment in which"),
    ],
  },
  { n: 4, name: "the same rules on every path", tests: [file("paths")] },
  {
    n: 5,
    name: "approvals replayed, stretched or late; fees of what was approved",
    tests: [file("payments"), file("onchain-approvals")],
  },
  {
    n: 6,
    name: "spending limits across restart, restore and a clock set back",
    tests: [
      file("limits"),
      file("onchain", "what a stranger's input seems to pay for counts as sent"),
      file("onchain", "fees burnt"),
      file("onchain", "small sums that need no person"),
    ],
  },
  {
    n: 7,
    name: "a counterparty's secret that is not its own",
    tests: [file("revocation", "the counterparty's secret")],
  },
  {
    n: 8,
    name: "malformed, oversized and hostile requests",
    tests: [file("hostile"), file("onchain", "what is no request")],
  },
  { n: 9, name: "killed at every write, and variants that break a rule", tests: [file("variants")] },
  { n: 10, name: "swapped and reused channels, peers and networks", tests: [file("identity")] },
  {
    n: 11,
    name: "lies about values, fees, HTLCs and outputs",
    tests: [file("lies"), file("chain"), file("onchain"), file("leaks", "the fee of a simple close")],
  },
  { n: 12, name: "two signers with one seed and one store", tests: [file("fence")] },
  {
    n: 13,
    name: "devices: exchanged, replayed, intercepted, unplugged",
    tests: [
      ...[file("device"), file("device-core"), file("device-sums"), file("device-limits")],
      ...[
        file("device-consent"),
        file("device-approvers"),
        file("device-stuck"),
        file("device-again"),
        file("device-forget"),
        file("device-time"),
        file("device-leaks"),
      ],
    ],
  },
  { n: 14, name: "a store put back to an older copy", tests: [file("rollback")] },
  { n: 15, name: "an audit log cut, edited, reordered or mixed", tests: [file("audit")] },
];

const named = ({ tests }: Family, of: string, [first = ""]: readonly string[]): boolean =>
  tests.some(({ file: name, under }) => name === of && under !== undefined && first.startsWith(under));

/** `test`: its describes and its own name. */
export const claims = (family: Family, of: string, test: readonly string[]): boolean =>
  named(family, of, test) ||
  (family.tests.some(({ file: name, under }) => name === of && under === undefined) &&
    !families.some((other) => named(other, of, test)));

export const filesOf = (some: readonly Family[]): readonly string[] => [
  ...new Set(some.flatMap(({ tests }) => tests.map(({ file: name }) => name))),
];
