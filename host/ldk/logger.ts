/** LDK's lines, as events. */

import { Level, Logger } from "lightningdevkit";
import type { Tell } from "./told.ts";

export type LogLevel = "error" | "warn" | "info" | "debug" | "none";

const levels = {
  none: Number.POSITIVE_INFINITY,
  error: Level.LDKLevel_Error,
  warn: Level.LDKLevel_Warn,
  info: Level.LDKLevel_Info,
  debug: Level.LDKLevel_Debug,
} as const;

export const openLogger = (least: LogLevel, tell: Tell): Logger =>
  Logger.new_impl({
    log: (record) => {
      try {
        const level = record.get_level();
        if (level < levels[least]) return;
        tell({
          is: "log",
          level: Level[level]?.replace(/^.*_/, "").toLowerCase() ?? "",
          text: `${record.get_module_path()}: ${record.get_args()}`,
        });
      } catch {
        // A line less is no reason to end.
      }
    },
  });
