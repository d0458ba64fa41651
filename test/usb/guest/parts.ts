/** What the guest is made of: Debian's kernel with the modules that are needed, and its udev. Fetched once, kept in a cache. */

import { execFile, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { root } from "../../architecture/sources.ts";

const run = promisify(execFile);

/** It cannot be had on this machine, now: nothing that a test has found out. */
export class Missing extends Error {
  override readonly name = "Missing";
}

/** Beside these the ones that they depend on are loaded. */
const wanted = [
  "virtio_pci",
  "9pnet_virtio",
  "9p",
  "overlay",
  "vhci-hcd",
  "usbhid",
  "hid-generic",
  "cdc-acm",
] as const;
const folders = ["drivers/usb", "drivers/hid", "drivers/virtio", "fs", "net/9p"];

export interface Parts {
  readonly kernel: string;
  /** In the order in which they can be loaded. */
  readonly modules: readonly string[];
  /** A root with nothing but udev in it. */
  readonly udev: string;
}

const cacheFolder = (): string => {
  const shared = process.env["XDG_CACHE_HOME"];
  const base = shared === undefined || shared === "" ? join(root, "node_modules/.cache") : shared;
  return join(base, "countersign-guest-1");
};

const partsIn = (place: string): Parts => ({
  kernel: join(place, "kernel"),
  modules: readdirSync(join(place, "modules"))
    .toSorted()
    .map((name) => join(place, "modules", name)),
  udev: join(place, "udev"),
});

/** What a person would type: `apt-get download` in a folder. */
const download = async (names: readonly string[], to: string): Promise<readonly string[]> => {
  try {
    await run("apt-get", ["download", "-q", ...names], { cwd: to });
  } catch (error) {
    const { stderr = "", message } = error as Error & { readonly stderr?: string };
    throw new Missing(`apt-get download ${names.join(" ")}: ${stderr.trim() || message}`);
  }
  return names.map((name) => {
    const found = readdirSync(to).find((file) => file.startsWith(`${name}_`));
    if (found === undefined) throw new Missing(`apt-get download left no file of ${name}`);
    return join(to, found);
  });
};

/** `linux-image-amd64` is a name for the newest one. */
const kernelPackage = async (): Promise<string> => {
  const { stdout } = await run("apt-cache", ["depends", "linux-image-amd64"]).catch((error: Error) => {
    throw new Missing(`apt-cache: ${error.message}`);
  });
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Missing("no package linux-image-amd64: apt-get update");
  return name;
};

const unpack = async (archive: string, to: string, members: readonly string[]): Promise<void> => {
  mkdirSync(to);
  const from = spawn("dpkg-deb", ["--fsys-tarfile", archive], { stdio: ["ignore", "pipe", "inherit"] });
  const into = spawn("tar", ["-x", "-C", to, "--wildcards", ...members], {
    stdio: [from.stdout, "ignore", "inherit"],
  });
  const [code] = await new Promise<[number | null]>((resolve, reject) => {
    from.on("error", reject);
    into.on("error", reject).on("close", (...ended) => resolve([ended[0]]));
  });
  if (code !== 0) throw new Missing(`${basename(archive)} can't be unpacked`);
};

const plain = (name: string): string => name.replaceAll("_", "-");

/** `depends=a,b` stands among the strings of a module (`modinfo`). */
const dependenciesOf = (module: string): readonly string[] => {
  const text = readFileSync(module, "latin1");
  const found = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? "";
  return found === "" ? [] : found.split(",");
};

const inOrder = (unpacked: string): readonly string[] => {
  const files = new Map(
    readdirSync(unpacked, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ko"))
      .map((path) => [plain(basename(path, ".ko")), join(unpacked, path)]),
  );
  const order = new Set<string>();
  const add = (name: string): void => {
    const path = files.get(plain(name));
    if (path === undefined) throw new Missing(`this kernel has no module ${name}`);
    if (order.has(path)) return;
    for (const before of dependenciesOf(path)) add(before);
    order.add(path);
  };
  for (const name of wanted) add(name);
  return [...order];
};

const build = async (place: string, say: (line: string) => void): Promise<void> => {
  const image = await kernelPackage();
  say(`fetching ${image} and udev into ${place}`);
  const [kernel = "", udev = ""] = await download([image, "udev"], place);
  const modules = folders.map((folder) => `./lib/modules/*/kernel/${folder}`);
  await unpack(kernel, join(place, "unpacked"), ["./boot/vmlinuz-*", ...modules]);
  const boot = join(place, "unpacked/boot");
  renameSync(join(boot, readdirSync(boot)[0] ?? ""), join(place, "kernel"));
  mkdirSync(join(place, "modules"));
  for (const [i, path] of inOrder(join(place, "unpacked")).entries())
    writeFileSync(
      join(place, "modules", `${String(i).padStart(2, "0")}-${basename(path)}`),
      readFileSync(path),
    );
  await unpack(udev, join(place, "udev"), ["./bin/udevadm", "./lib/systemd/systemd-udevd", "./lib/udev"]);
  // On a merged root these are links, which a copied folder would replace.
  mkdirSync(join(place, "udev/usr"));
  for (const name of ["bin", "lib"]) renameSync(join(place, "udev", name), join(place, "udev/usr", name));
  // Sources of a database that would have to be compiled: names of products, for display.
  rmSync(join(place, "udev/usr/lib/udev/hwdb.d"), { recursive: true, force: true });
  for (const left of ["unpacked", basename(kernel), basename(udev)])
    rmSync(join(place, left), { recursive: true });
};

export const fetchParts = async (say: (line: string) => void): Promise<Parts> => {
  const place = cacheFolder();
  if (existsSync(place)) return partsIn(place);
  mkdirSync(join(place, ".."), { recursive: true });
  const building = mkdtempSync(`${place}-`);
  try {
    await build(building, say);
    renameSync(building, place);
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    // Another run may have been first.
    if (!existsSync(place)) throw error;
  }
  return partsIn(place);
};
