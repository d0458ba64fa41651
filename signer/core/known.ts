/** Brings what a step needs of the keyring. */

import type { Keyring } from "./ports.ts";
import type { Known, Needs } from "./step.ts";

const none: Known = { points: [] };

export const knownOf = async (keyring: Keyring, needs: Needs | undefined): Promise<Known> => {
  if (needs === undefined) return none;
  if ("channel" in needs) {
    const { channel, basepoints, closingScript, points = [] } = needs;
    return {
      points: points.length === 0 ? [] : await keyring.points(channel, points),
      ...(basepoints ? { basepoints: await keyring.basepoints(channel) } : {}),
      ...(closingScript ? { closingScript: await keyring.closingScript(channel) } : {}),
    };
  }
  if ("places" in needs)
    return {
      ...none,
      places: await Promise.all(needs.places.map((place) => keyring.walletKey(place))),
      pointsOf: (
        await Promise.all(needs.pointsOf.map(({ channel, number }) => keyring.points(channel, [number])))
      ).flat(),
    };
  const { identity, ecdh, payerKey, random } = needs;
  return {
    ...none,
    ...(identity ? { identity: await keyring.identity() } : {}),
    ...(ecdh === undefined ? {} : { shared: await keyring.ecdh(ecdh) }),
    ...(payerKey === undefined ? {} : { payerKey: await keyring.payerKey(payerKey) }),
    ...(random === undefined ? {} : { random: await keyring.random(random) }),
  };
};
