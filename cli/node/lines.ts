/** Bytes that arrive as lines of text, none of them longer than it may be. */

import { invalid } from "../../protocol/malformed.ts";

const end = 0x0a;

/** Ends with the bytes; what stands behind the last line's end is no line. Throws `Malformed`. */
export async function* linesOf(from: AsyncIterable<Uint8Array>, longest: number): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let parts: Uint8Array[] = [];
  let length = 0;
  const textOf = (): string => {
    const bytes = Buffer.concat(parts, length);
    parts = [];
    length = 0;
    try {
      return decoder.decode(bytes);
    } catch {
      throw invalid("not UTF-8");
    }
  };
  for await (const chunk of from) {
    let rest = chunk;
    for (let at = rest.indexOf(end); ; at = rest.indexOf(end)) {
      const piece = at === -1 ? rest : rest.subarray(0, at);
      length += piece.length;
      if (length > longest) throw invalid(`a line of more than ${longest} bytes`);
      if (piece.length > 0) parts.push(piece);
      if (at === -1) break;
      yield textOf();
      rest = rest.subarray(at + 1);
    }
  }
}
