/** `countersign device list`: what is plugged in, what is paired, and how it stands. */

import type { Command } from "commander";
import { toHex } from "../../protocol/bytes.ts";
import { type Found, type Survey, survey } from "../../protocol/wire/links/discover.ts";
import { linkIdentity, type PairedDevice, readPaired } from "../../signer/device/pairing.ts";
import { print } from "../admin.ts";
import { plain, toJson } from "../json.ts";
import { table } from "../terminal.ts";
import { deviceDirectory } from "./reach.ts";
import { type Standing, standingOf, standingText } from "./standing.ts";

export interface ListOptions {
  readonly dir?: string;
  readonly json?: true;
}

interface Known {
  readonly device: PairedDevice;
  readonly standing: Standing;
}

/** One after the other on one cable; different cables at once. */
const knownIn = async (dir: string): Promise<readonly Known[]> => {
  const devices = readPaired(dir);
  if (devices.length === 0) return [];
  const identity = linkIdentity(dir);
  try {
    return await Promise.all(
      devices.map(async (device) => ({ device, standing: await standingOf(dir, identity, device) })),
    );
  } finally {
    identity.secret.wipe();
  }
};

const foundRow = ({ written, product, serial, hindered }: Found): readonly string[] => [
  written,
  plain(product),
  plain(serial),
  hindered === undefined ? "" : hindered.message,
];

export const listText = (known: readonly Known[] | undefined, { found, blind }: Survey): string =>
  [
    ...(known === undefined
      ? []
      : known.length === 0
        ? ["No device is paired with this signer."]
        : [
            table([
              ["paired", "address", "key", "state"],
              ...known.map(({ device, standing }) => [
                device.name,
                device.address,
                `${toHex(device.key).slice(0, 16)}...`,
                standingText(standing),
              ]),
            ]),
          ]),
    "",
    found.length === 0
      ? "No device is plugged in, as far as this system shows."
      : table([["plugged in", "product", "serial", ""], ...found.map(foundRow)]),
    ...blind.map(({ kind, trouble }) => `Not looked at (${kind}): ${trouble.message}`),
  ]
    .join("\n")
    .trimStart();

export const plainFound = ({ kind, written, product, serial, hindered }: Found) => ({
  ...{ kind, address: written, product, serial },
  ...(hindered === undefined ? {} : { hindered: hindered.why, sentence: hindered.message }),
});

const list = async ({ dir, json }: ListOptions): Promise<void> => {
  const [known, looked] = await Promise.all([
    dir === undefined ? undefined : knownIn(deviceDirectory(dir)),
    survey(),
  ]);
  if (!json) {
    print(listText(known, looked));
    return;
  }
  print(
    toJson({
      ...(known === undefined
        ? {}
        : { paired: known.map(({ device, standing }) => ({ ...device, standing })) }),
      found: looked.found.map(plainFound),
      blind: looked.blind.map(({ kind, trouble }) => ({ kind, why: trouble.why, sentence: trouble.message })),
    }),
  );
};

export const registerList = (device: Command): void => {
  device
    .command("list")
    .description("what is plugged in; with --dir also what is paired, and how it stands")
    .option("--dir <directory>", "the signer's directory, where its devices are known")
    .option("--json", "print JSON")
    .action(list);
};
