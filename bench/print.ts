/** What a suite found, as people read it. */

export interface Report {
  readonly suite: string;
  readonly limit?: string | null;
  readonly rows: readonly object[];
}

const cell = (value: unknown): string => {
  if (value === undefined || value === null) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
};

/** One column for each key that any row has; numbers to the right. */
export const printTable = ({ suite, limit, rows }: Report): string => {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const valueAt = (row: object, key: string): unknown => (row as Readonly<Record<string, unknown>>)[key];
  const lines = [keys, ...rows.map((row) => keys.map((key) => cell(valueAt(row, key))))];
  const widths = keys.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const isNumber = keys.map((key) => rows.some((row) => typeof valueAt(row, key) === "number"));
  const text = lines.map((line) =>
    line
      .map((word, column) => {
        const width = widths[column] ?? 0;
        return isNumber[column] === true ? word.padStart(width) : word.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
  const head = limit === undefined ? suite : `${suite}, limit: ${limit ?? "none"}`;
  return `${head}\n\n${text.join("\n")}\n`;
};
