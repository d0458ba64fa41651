/** Writes what is beside it. It is a promise to devices: see docs/device-protocol.md and docs/device-messages.md. */

import { writeFileSync } from "node:fs";
import { deviceVectors } from "../../contract/device-vectors.ts";
import { transcripts } from "../../contract/link-transcripts.ts";

const write = (name: string, content: unknown): void =>
  writeFileSync(new URL(`${name}.json`, import.meta.url), `${JSON.stringify(content, null, 1)}\n`);

for (const [name, content] of Object.entries({ ...transcripts(), ...deviceVectors() })) write(name, content);
