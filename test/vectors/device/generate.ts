/** Writes the transcripts beside it. What is there is a promise to devices: see docs/device-protocol.md. */

import { writeFileSync } from "node:fs";
import { transcripts } from "../../contract/link-transcripts.ts";

for (const [name, content] of Object.entries(transcripts()))
  writeFileSync(new URL(`${name}.json`, import.meta.url), `${JSON.stringify(content, null, 1)}\n`);
