/** The audit log: what a record says, how records are chained, how refusals are counted, and the proof of it all. */

export { type AuditRow, type ChainEnd, genesis, link } from "./audit/chain.ts";
export { type AuditFile, readAudit } from "./audit/read.ts";
export {
  type Asked,
  type AuditEntry,
  type AuditRecord,
  auditRecord,
  readRecord,
  record,
} from "./audit/record.ts";
export { type RefusalLimits, type RefusalLog, type Refused, refusalLog } from "./audit/refusals.ts";
export { type AuditChain, type AuditVerdict, verifyAudit } from "./audit/verify.ts";
