/** Where LDK gets its channels' signers and scripts: all of it was drawn from the signer before. */

import * as ldk from "lightningdevkit";
import type { Basepoints } from "../../../protocol/bolt/channel.ts";
import type { RemoteChannel } from "./remote-channels.ts";
import type { Remote } from "./remote-parts.ts";
import { channelSigner, guarded } from "./remote-signer.ts";

const publicKeys = ({ funding, revocation, payment, delayed, htlc }: Basepoints): ldk.ChannelPublicKeys =>
  ldk.ChannelPublicKeys.constructor_new(
    funding,
    ldk.RevocationBasepoint.constructor_new(revocation),
    payment,
    ldk.DelayedPaymentBasepoint.constructor_new(delayed),
    ldk.HtlcBasepoint.constructor_new(htlc),
  );

/** All styles of keys close to a P2WPKH script. */
const shutdownScript = ({ id, closingScript }: RemoteChannel): ldk.Result_ShutdownScriptNoneZ => {
  const [version, length] = closingScript;
  if (version !== 0 || length !== 20 || closingScript.length !== 22)
    throw new Error(`the closing script of channel ${id} is not P2WPKH`);
  return ldk.Result_ShutdownScriptNoneZ.constructor_ok(
    ldk.ShutdownScript.constructor_new_p2wpkh(closingScript.slice(2)),
  );
};

export const signerProvider = (remote: Remote): ldk.SignerProvider => {
  const { channels } = remote;
  const guard = guarded(remote);
  const noScript = () => ldk.Result_CVec_u8ZNoneZ.constructor_err();
  return ldk.SignerProvider.new_impl({
    // These two have no way to fail: a signer that is away is waited for.
    generate_channel_keys_id: () => channels.draw().keysId,
    derive_channel_signer: (_value, keysId) => {
      const channel = channels.of(keysId);
      return channelSigner(remote, channel, publicKeys(channel.basepoints));
    },
    read_chan_signer: () =>
      ldk.Result_EcdsaChannelSignerDecodeErrorZ.constructor_err(ldk.DecodeError.constructor_invalid_value()),
    get_destination_script: guard("destination script", noScript, (keysId: Uint8Array) =>
      ldk.Result_CVec_u8ZNoneZ.constructor_ok(channels.of(keysId).closingScript),
    ),
    get_shutdown_scriptpubkey: guard(
      "closing script",
      () => ldk.Result_ShutdownScriptNoneZ.constructor_err(),
      () => shutdownScript(channels.lastDrawn()),
    ),
  });
};
