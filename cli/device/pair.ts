/** `countersign device pair`: device and signer learn each other's keys, and a person makes sure that nobody sits between. */

import { text as readAll } from "node:stream/consumers";
import { equal, toHex } from "../../protocol/bytes.ts";
import { type KeyPair, LinkError, pairLink } from "../../protocol/link.ts";
import { formatLinkAddress, type LinkAddress } from "../../protocol/wire/links/address.ts";
import { openLinkAddress } from "../../protocol/wire/links/open.ts";
import { systemClock } from "../../signer/clock.ts";
import {
  addPaired,
  isDeviceName,
  linkIdentity,
  type PairedDevice,
  readPaired,
  writePaired,
} from "../../signer/device/pairing.ts";
import { linkPorts } from "../../signer/device/ports.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { print } from "../admin.ts";
import { ownDirectory } from "../directory.ts";
import { toJson } from "../json.ts";
import { openTerminal, type Terminal, table } from "../terminal.ts";
import { addressOption } from "./reach.ts";
import { explained } from "./sentences.ts";

export interface PairOptions {
  readonly dir: string;
  readonly address: string;
  readonly name?: string;
  readonly codeOnStdin?: true;
  readonly json?: true;
}

const shown = (code: string): string => `${code.slice(0, 3)} ${code.slice(3)}`;

type Compare = (code: string) => Promise<boolean>;

/** Both answer for themselves: the person's yes here says nothing on the device. */
export const comparedBy =
  (terminal: Pick<Terminal, "tell" | "ask">): Compare =>
  async (code) => {
    terminal.tell(`This signer's code is   ${shown(code)}`);
    terminal.tell(
      "Hold both buttons of the device if it shows the same. If not, press both: somebody sits between.",
    );
    for (;;) {
      const answer = await terminal.ask("Does the device show the same six digits? (yes or no) ");
      const said = answer.trim().toLowerCase();
      if (["yes", "y"].includes(said)) return true;
      if (["no", "n"].includes(said)) return false;
      terminal.tell("Compare them with the device's, and type yes or no.");
    }
  };

/** What the device shows, from a script that can see it. */
const comparedFrom =
  (input: NodeJS.ReadableStream): Compare =>
  async (code) =>
    (await readAll(input)).replaceAll(/\s/g, "") === code;

/** How long a person may take to open the pairing on the device. */
const openingMs = 60_000;
const retryMs = 500;

interface Meeting {
  readonly address: LinkAddress;
  readonly identity: KeyPair;
  readonly compare: Compare;
  readonly onClosed: () => void;
}

const once = async ({ address, identity, compare }: Meeting): Promise<Uint8Array> => {
  const { transport, carrier } = await openLinkAddress(address);
  try {
    return await pairLink({
      transport,
      carrier,
      identity,
      ports: linkPorts,
      compare: (code, signal) =>
        new Promise((resolve, reject) => {
          // The device has said no, or is gone: nobody needs this answer any more.
          signal.addEventListener("abort", () => resolve(false), { once: true });
          compare(code).then(resolve, reject);
        }),
    });
  } finally {
    await transport.close();
  }
};

/** A device pairs only while a person lets it: until then it is asked again. */
const meet = async (meeting: Meeting): Promise<Uint8Array> => {
  for (let waited = 0; ; waited += retryMs) {
    try {
      return await once(meeting);
    } catch (error) {
      if (!(error instanceof LinkError && error.why === "pairing") || waited >= openingMs) throw error;
      if (waited === 0) meeting.onClosed();
      await new Promise((done) => setTimeout(done, retryMs));
    }
  }
};

const freeName = (devices: readonly PairedDevice[], key: Uint8Array): string => {
  const known = devices.find((one) => equal(one.key, key));
  if (known !== undefined) return known.name;
  for (let n = 1; ; n++) {
    const name = n === 1 ? "device" : `device-${n}`;
    if (!devices.some((one) => one.name === name)) return name;
  }
};

const checkName = (name: string | undefined, devices: readonly PairedDevice[]): void => {
  if (name === undefined) return;
  if (!isDeviceName(name))
    throw new SetupError("usage", `--name ${name}: letters, digits and ._- only, 32 at most`);
  if (devices.some((one) => one.name === name))
    throw new SetupError(
      "exists",
      `a device ${name} is paired already`,
      "Pair that one again without --name, or give another name.",
    );
};

const pairing = async (options: PairOptions, terminal: Terminal, input: Input): Promise<void> => {
  const { json, codeOnStdin } = options;
  // A device may be paired before there is a signer: its directory then begins with this.
  const dir = ownDirectory(options.dir);
  const address = addressOption(options.address);
  checkName(options.name, readPaired(dir));
  if (!codeOnStdin && !terminal.interactive)
    throw new SetupError(
      "usage",
      "there is no terminal to compare the codes on",
      "A script gives the six digits that the device shows to --code-on-stdin.",
    );
  const identity = linkIdentity(dir);
  const place = formatLinkAddress(address);
  const about = { name: options.name ?? "the device", address: place, dir };
  try {
    const compare = codeOnStdin ? comparedFrom(input) : comparedBy(terminal);
    const key = await meet({
      address,
      identity,
      compare: (code) => {
        if (json) print(toJson({ event: "code", code }));
        else if (codeOnStdin) terminal.tell(`This signer's code is   ${shown(code)}`);
        return compare(code);
      },
      onClosed: () => {
        if (json) print(toJson({ event: "waiting" }));
        else
          terminal.tell(
            "Open the pairing on the device: hold both of its buttons (after its PIN, if it is locked).",
          );
      },
    });
    const devices = readPaired(dir);
    const device: PairedDevice = {
      name: options.name ?? freeName(devices, key),
      address: place,
      key,
      pairedAt: systemClock.now(),
    };
    writePaired(dir, addPaired(devices, device));
    print(
      json
        ? toJson({ event: "paired", ...device })
        : table([
            ["paired", device.name],
            ["address", place],
            ["key", toHex(key)],
          ]),
    );
  } catch (error) {
    throw explained(error, about);
  } finally {
    identity.secret.wipe();
  }
};

type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean; destroy(): unknown };

export const pair = async (options: PairOptions, input: Input = process.stdin): Promise<void> => {
  const terminal = openTerminal({ input, output: process.stderr });
  try {
    await pairing(options, terminal, input);
  } finally {
    terminal.close();
    // Whoever was to give a code may still have the input open, and nobody needs it any more.
    if (options.codeOnStdin) input.destroy();
  }
};
