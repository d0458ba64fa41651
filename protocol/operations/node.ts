import { list, message, text, u16, u32 } from "../codec.ts";
import { feerate, msat, network, sat, tier } from "./fields.ts";
import { operation } from "./operation.ts";

const blocks = u16("blocks", (n) => n);

/** What a host must stay inside, so that no honest request is refused (every figure inclusive). */
export const bounds = message("Bounds", {
  minFeerate: feerate,
  maxFeerate: feerate,
  maxChannelValue: sat,
  maxPush: msat,
  minDelay: blocks,
  maxDelay: blocks,
  minDustLimit: sat,
  maxDustLimit: sat,
  maxReserve: sat,
  maxOfferedHtlcs: u16("HTLCs", (n) => n),
  maxOfferedInFlight: msat,
  maxTrimmed: msat,
  maxClosingFeerate: feerate,
});

export const nodeOperations = {
  hello: operation(
    0x01,
    "Opens a session: agrees on version and network, and tells the host what this signer can do and which limits to stay inside.",
    {
      version: u16("protocol version", (n) => n),
      network,
      software: text("name and version of the host", 64),
    },
    {
      version: u16("protocol version", (n) => n),
      network,
      tier,
      software: text("name and version of the signer", 64),
      operations: list(
        u32("operation number", (n) => n),
        256,
      ),
      bounds,
    },
  ),
};
