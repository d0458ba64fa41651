/**
 * A hardened process with a pool: told by a line on stdin, it says what its workers are like. With the argument `exits`
 * it ends in the middle of a batch instead.
 */

import { url } from "node:inspector";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { harden } from "../../signer/hardening.ts";
import { curvePool } from "../../signer/threads/pool.ts";

harden();
const curve = await loadNative();
let signed = 0;
const pool = curvePool({
  curve: {
    ...curve,
    sign: (job) => {
      if (process.argv[2] === "exits" && ++signed > 20) process.exit(7);
      return curve.sign(job);
    },
  },
  threads: 2,
  threshold: 1,
});
const key = new Secret(new Uint8Array(32).fill(7));
const jobs = Array.from({ length: 400 }, (_, i) => ({ digest: new Uint8Array(32).fill(i), key, lowR: true }));

const answer = async (): Promise<void> => {
  const signatures = await pool.sign(jobs);
  const valid = await pool.verify(
    jobs.map(({ digest }, i) => ({
      digest,
      key: curve.publicKey(key),
      signature: signatures[i] ?? new Uint8Array(64),
    })) as Parameters<typeof pool.verify>[0],
  );
  const good = valid.filter((one) => one).length;
  process.stdout.write(`${url() ?? "closed"} ${good} ${pool.workers()}\n`);
  process.stdin.unref();
  // And not closed: a pool must not keep a process from ending.
};
process.stdin.once("data", () => void answer());
process.stdout.write("ready\n");
