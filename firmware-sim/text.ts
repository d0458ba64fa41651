/**
 * Text for a display of 21 by 8 characters. Only printable ASCII is ever shown, so nothing looks like something else;
 * what others wrote stands behind a mark with which no line of the device's own begins.
 */

export const columns = 21;
export const rows = 8;

/** Of others' text. A line that says what was left out has a mark of its own. */
export const quoteMark = "> ";
const leftOutMark = "~ ";
const quoted = columns - quoteMark.length;

/** Every other character by its number, so that it is seen: controls, marks of direction, letters that look like Latin ones. */
export const plain = (text: string): string =>
  Array.from(text, (one) => {
    if (one === "\\") return "\\\\";
    return one >= " " && one <= "~" ? one : `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`;
  }).join("");

/** The device's own words: what has no place in a line is a defect, and is cut off all the same. */
export const own = (text: string, width = columns): string => plain(text).slice(0, width);

const chunks = (text: string, length: number): readonly string[] =>
  Array.from({ length: Math.ceil(text.length / length) }, (_, i) => text.slice(i * length, (i + 1) * length));

/** Nobody reads more; and no host fills a person's patience. */
const mostQuotedLines = 10;

export const quote = (text: string): readonly string[] => {
  const lines = chunks(plain(text), quoted).map((line) => `${quoteMark}${line}`);
  if (lines.length === 0) return [`${leftOutMark}(empty)`];
  if (lines.length <= mostQuotedLines) return lines;
  const half = (mostQuotedLines - 1) / 2;
  const [first, last] = [lines.slice(0, Math.ceil(half)), lines.slice(-Math.floor(half))];
  return [...first, `${leftOutMark}${lines.length - first.length - last.length} lines not shown`, ...last];
};

const ends = 8;

/** Both ends of what is too long for a line: eight characters each can't be had by trying. */
export const elided = (text: string): string => {
  const shown = plain(text);
  const body = shown.length <= quoted ? shown : `${shown.slice(0, ends)}...${shown.slice(-ends)}`;
  return `${quoteMark}${body}`;
};

const group = 4;

/** All of it, in groups of four. */
export const grouped = (text: string): readonly string[] =>
  chunks(plain(text), 4 * group).map((line) => `${quoteMark}${chunks(line, group).join(" ")}`);

const thousands = (digits: string): string => digits.replaceAll(/\B(?=(\d{3})+$)/g, " ");

/** Thousandths of a satoshi only where there are some. */
export const satoshi = (msat: bigint): string => {
  const [sign, size] = msat < 0n ? ["-", -msat] : ["", msat];
  const part = size % 1000n === 0n ? "" : `.${String(size % 1000n).padStart(3, "0")}`;
  const whole = String(size / 1000n);
  const spaced = `${sign}${thousands(whole)}${part}`;
  return spaced.length <= columns ? spaced : `${sign}${whole}${part}`;
};
