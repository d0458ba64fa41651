/** `npm run bench -- SUITE`: measures, and prints a table or JSON. Progress goes to the error stream. */

import { parseArgs } from "node:util";
import { runChannels } from "./channels.ts";
import { runDevice } from "./device.ts";
import { runLinks } from "./links.ts";
import { runNodes } from "./nodes.ts";
import { runPayments } from "./payments.ts";
import { printTable } from "./print.ts";
import { runProtocol } from "./protocol.ts";
import { runSigner } from "./signer.ts";

const suites = {
  protocol: runProtocol,
  signer: runSigner,
  channels: runChannels,
  payments: runPayments,
  nodes: runNodes,
  links: runLinks,
  device: runDevice,
} as const;
type Suite = keyof typeof suites;

const usage = `npm run bench -- SUITE [--json] [--rounds N]

SUITE:
  protocol    one commitment with its HTLCs: keys, building, hashing and curve work, beside the same curve work in C
  signer      an update as the host sees it, signer and all, beside the disk and the curve alone
  channels    a thousand channels in one signer: operations a second with 1, 64 and 1,000 at work, and memory
  payments    an LDK node with remote keys beside one with LDK's own: payments a second, one and ten in flight
  nodes       50 LDK nodes in one worker, and ten with a worker each: memory, time to start one, a block for all
  device      an update of a channel with its keys on a device, over several cables, beside keys in memory
  links       a request to a device over memory, a Unix socket and a serial line, beside the bare cable; slow cables

Options:
  --json      JSON on the output (npm itself prints two lines before: \`npm run --silent bench\` leaves them out)
  --rounds N  how many pairs of measurements make a row; the usual number depends on the row
`;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const isSuite = (name: string | undefined): name is Suite =>
  name !== undefined && Object.hasOwn(suites, name);

const wrong = (why: string): number => {
  say(`${why}\n\n${usage}`);
  return 2;
};

const parsed = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: "boolean" }, rounds: { type: "string" }, help: { type: "boolean" } },
  });

const main = async (args: readonly string[]): Promise<number> => {
  let options: ReturnType<typeof parsed>;
  try {
    options = parsed(args);
  } catch (error) {
    return wrong((error as Error).message);
  }
  const { values, positionals } = options;
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  const [suite, ...more] = positionals;
  if (!isSuite(suite)) return wrong(suite === undefined ? "which suite?" : `there is no suite \`${suite}\``);
  if (more.length > 0) return wrong(`one suite at a time, not also \`${more.join(" ")}\``);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0 && rounds <= 10_000))
    return wrong(`not a number of rounds: ${values.rounds}`);
  const report = await suites[suite]({ rounds, say });
  process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : printTable(report));
  return 0;
};

process.exitCode = await main(process.argv.slice(2));
