/**
 * What passes between a signer's machine and an approver's, as JSON: what waits or is proposed, and what was signed. All that an
 * approver is to believe is in what is signed, so nothing else of it is shown.
 */

import { z } from "zod";
import { fromHex } from "../../protocol/bytes.ts";
import {
  type DeviceQuestion,
  limitsFault,
  type Statement,
  type Verdict,
} from "../../protocol/device/limits.ts";
import { clip } from "../../protocol/outcome.ts";
import { feerate, msat, type NodeId, point, script } from "../../protocol/units.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { plain, toJson } from "../json.ts";

const bytes = (length: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${length * 2}}$`), `${length} bytes in lower-case hexadecimal`)
    .transform(fromHex);
const node = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, "a node id: 66 lower-case hexadecimal digits, beginning with 02 or 03")
  .transform((text): NodeId => point(fromHex(text)));
const digits = (most: bigint) =>
  z
    .string()
    .regex(/^(0|[1-9]\d{0,18})$/, "a number")
    .transform(BigInt)
    .refine((n) => n <= most, "more than there will ever be");
const millisats = digits(2_100_000_000_000_000_000n).transform(msat);
const perWeight = z.int().min(253).max(1_000_000).transform(feerate);
const scriptHex = z
  .string()
  .regex(/^([0-9a-f]{2}){1,42}$/, "a script in lower-case hexadecimal")
  .transform((text) => script(fromHex(text)));

const limits = z
  .strictObject({
    each: millisats,
    allowance: millisats,
    forwarding: z.boolean(),
    maxFeerate: perWeight,
    maxClosingFeerate: perWeight,
    maxOnchainFeerate: perWeight,
    maxSweepFeerate: perWeight,
    destinations: z.array(scriptHex).max(8).readonly(),
    payees: z.array(node).max(8).readonly(),
    approvers: z.array(bytes(32)).max(8).readonly(),
    needed: z.int().min(0).max(8),
  })
  .superRefine((value, context) => {
    const fault = limitsFault(value);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault, input: value });
  });

/** As the bytes that are signed have it. */
const text = (most: number) =>
  z
    .string()
    .refine(
      (value) => value.isWellFormed() && Buffer.byteLength(value) <= most,
      `more than ${most} bytes, or no well-formed Unicode`,
    );

const question = z.strictObject({
  id: bytes(32),
  subject: z.enum(["payment", "outputs", "opening", "cover", "channel", "over"]),
  amount: millisats,
  shown: z
    .array(z.strictObject({ name: text(64), value: text(256) }))
    .max(32)
    .readonly(),
  asked: digits(1n << 40n),
});

const signature = z.strictObject({ key: bytes(32), signature: bytes(64) });

const waiting = z.strictObject({
  schema: z.literal(1),
  is: z.literal("questions"),
  node,
  mark: bytes(16),
  questions: z.array(question).max(64).readonly(),
});
const proposal = z.strictObject({
  schema: z.literal(1),
  is: z.literal("limits"),
  node,
  mark: bytes(16),
  limits,
});
const paper = z.discriminatedUnion("is", [waiting, proposal]);
export type Paper = z.infer<typeof paper>;

const signed = z.strictObject({
  schema: z.literal(1),
  is: z.literal("signed"),
  node,
  answers: z
    .array(z.strictObject({ id: bytes(32), verdict: z.enum(["approve", "deny"]), ...signature.shape }))
    .max(64),
  limits: z.array(z.strictObject({ limits, ...signature.shape })).max(1),
});
export type Signed = z.infer<typeof signed>;

const read = <T>(schema: z.ZodType<T>, text: string, source: string, what: string): T => {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new SetupError("invalid", `${source} is no JSON`);
  }
  const found = schema.safeParse(json);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  // It may repeat names and words of the file.
  const why = clip(plain(`${where}${issue?.message ?? "unreadable"}`), 256);
  throw new SetupError("invalid", `${source} is not ${what}: ${why}`);
};

/** What an approver is asked. */
export const parsePaper = (text: string, source: string): Paper =>
  read(paper, text, source, "what `device questions` or `device limits propose` prints");
/** What an approver said. */
export const parseSigned = (text: string, source: string): Signed =>
  read(signed, text, source, "what `approver sign` prints");

export const printPaper = (value: Paper): string => toJson(value);
export const printSigned = (value: Signed): string => toJson(value);

export const answerOf = (
  { node: of, mark }: Pick<Paper, "node" | "mark">,
  asked: DeviceQuestion,
  verdict: Verdict,
): Statement => ({ is: "answer", mark, node: of, question: asked, verdict });

export const changeOf = ({ node: of, mark, limits: next }: Extract<Paper, { is: "limits" }>): Statement => ({
  is: "limits",
  mark,
  node: of,
  limits: next,
});
