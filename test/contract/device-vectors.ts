/** What stands in test/vectors/device for whoever writes a device: bytes in hexadecimal, 64-bit numbers as text. */

import { toJson } from "../../cli/json.ts";
import { messagesVersion } from "../../protocol/device/requests.ts";
import { approvalVectors } from "./device-approvals.ts";
import { messageVectors } from "./device-messages.ts";
import { recordVectors } from "./device-records.ts";
import { screenVectors } from "./device-screens.ts";

const plain = (value: unknown): unknown => JSON.parse(toJson(value));

export const deviceVectors = (): Readonly<
  Record<"approvals" | "messages" | "records" | "screens", unknown>
> => ({
  approvals: plain({
    made: "test/contract/device-approvals.ts; nothing here is anybody's secret",
    ...approvalVectors(),
  }),
  messages: plain({
    made: "test/contract/device-messages.ts",
    version: messagesVersion,
    ...messageVectors(),
  }),
  records: plain({
    made: "test/contract/device-records.ts; nothing here is anybody's secret",
    ...recordVectors(),
  }),
  screens: plain({ made: "test/contract/device-screens.ts", ...screenVectors() }),
});
