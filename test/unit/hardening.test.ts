import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { acceptFindings, coreLimitIn, dumpsNothing, faultText, openDoor } from "../../signer/hardening.ts";
import { SetupError } from "../../signer/setup-error.ts";

const root = resolve(import.meta.dirname, "../..");
const hardening = JSON.stringify(join(root, "signer/hardening.ts"));
const clean = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env;
  return { ...env, ...extra };
};

let home = "";
const children: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "countersign-hardening-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

/** A program of its own, run as a process of its own. */
const program = (body: string, hardened = true): string => {
  const file = join(home, hardened ? "hardened.ts" : "bare.ts");
  const first = hardened ? `import { harden } from ${hardening};\nconst findings = harden();\n` : "";
  writeFileSync(file, first + body);
  return file;
};

const run = (
  file: string,
  { options = [], env = clean() }: { options?: string[]; env?: NodeJS.ProcessEnv } = {},
) => spawnSync(process.execPath, [...options, file], { cwd: home, env, encoding: "utf8" });

const cli = (
  args: readonly string[],
  { options = [], env = clean() }: { options?: string[]; env?: NodeJS.ProcessEnv } = {},
) => spawnSync(process.execPath, [...options, join(root, "cli/main.ts"), ...args], { env, encoding: "utf8" });

const firstOutput = (child: ChildProcess): Promise<string> =>
  new Promise((done, fail) => {
    child.stdout?.once("data", (data) => done(String(data)));
    child.once("exit", (code) => fail(new Error(`it exited with ${code}`)));
  });

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

describe("SIGUSR1", () => {
  const talk =
    'import { url } from "node:inspector";\n' +
    'process.stdin.on("data", () => console.log(url() ?? "closed"));\nconsole.log("ready");\n';
  const ask = (child: ChildProcess): Promise<string> => {
    const answer = firstOutput(child);
    child.stdin?.write("?");
    return answer;
  };
  const start = async (hardened: boolean) => {
    const child = spawn(process.execPath, [program(talk, hardened)], { env: clean(), cwd: home });
    children.push(child);
    let errors = "";
    child.stderr.on("data", (data) => {
      errors += data;
    });
    await firstOutput(child);
    child.kill("SIGUSR1");
    return { child, errors: () => errors };
  };

  test("opens the debugger of a Node that is not hardened, as this test can see", async () => {
    const { child, errors } = await start(false);
    await expect.poll(errors, { timeout: 20_000 }).toMatch(/Debugger listening|Starting inspector.*failed/);
    if (errors().includes("listening")) expect(await ask(child)).toMatch(/^ws:.*:9229/);
  });

  test("opens nothing in a hardened one, which lives on", async () => {
    const { child, errors } = await start(true);
    await new Promise((done) => setTimeout(done, 500));
    expect(await ask(child)).toBe("closed\n");
    expect(errors()).toBe("");
    expect(child.exitCode).toBeNull();
  });
});

describe("options of Node", () => {
  test.each([
    "--inspect",
    "--inspect-brk=0",
    "--inspect_brk=0",
    "--heapsnapshot-signal=SIGUSR2",
    "--heapsnapshot-near-heap-limit=1",
    "--report-on-fatalerror",
    "--abort-on-uncaught-exception",
    "--cpu-prof",
    "--tls-keylog=/tmp/x",
    "--require ./x.cjs",
    "-r ./x.cjs",
    "--import=./x.mjs",
    "--some-later-invention",
  ])("%s is refused in NODE_OPTIONS and on the command line", (option) => {
    const start = { execArgv: [], env: {}, inspected: false };
    const name = option.split(/[ =]/)[0]?.replaceAll("_", "-");
    const inherited = openDoor({ ...start, env: { NODE_OPTIONS: `--no-warnings  ${option}` } });
    expect(inherited?.problem).toBe("unsafe");
    expect(inherited?.message).toContain(`NODE_OPTIONS has ${name}:`);
    const given = openDoor({ ...start, execArgv: option.split(" ") });
    expect(given?.message).toContain(`started with ${name}:`);
  });

  test("what is harmless passes", () => {
    const execArgv = ["--max-old-space-size=4096", "--no-warnings", "--secure-heap=65536"];
    const env = {
      NODE_OPTIONS: "--enable-source-maps --disable-warning=ExperimentalWarning",
      NODE_ENV: "production",
    };
    expect(openDoor({ execArgv, env, inspected: false })).toBeUndefined();
  });

  test.each(["NODE_V8_COVERAGE", "NODE_DEBUG", "NODE_DEBUG_NATIVE"])("%s is refused", (name) => {
    expect(openDoor({ execArgv: [], env: { [name]: "x" }, inspected: false })?.message).toContain(name);
  });

  test("compiled code is taken from where nobody else writes, and refused from anywhere else", () => {
    const cache = join(home, "compiled");
    const door = (path: string) =>
      openDoor({ execArgv: [], env: { NODE_COMPILE_CACHE: path }, inspected: false })?.message;
    mkdirSync(cache, { mode: 0o700 });
    expect(door(cache)).toBeUndefined();
    for (const mode of [0o720, 0o702, 0o777]) {
      chmodSync(cache, mode);
      expect(door(cache)).toContain("NODE_COMPILE_CACHE");
    }
    expect(door(join(home, "none"))).toContain("NODE_COMPILE_CACHE");
  });

  test("a debugger that is on already is refused, however it was opened", async () => {
    const port = await freePort();
    const body = "console.log('went on');";
    const file = join(home, "opened.ts");
    writeFileSync(
      file,
      `import { open } from "node:inspector";\nimport { harden } from ${hardening};\nopen(${port});\nharden();\n${body}`,
    );
    const { status, stdout, stderr } = run(file);
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("debugger is on");
  });

  test.each([
    ["--inspect=0", ["--inspect=0"], {}],
    ["--heapsnapshot-signal", [], { NODE_OPTIONS: "--heapsnapshot-signal=SIGUSR2" }],
  ])("the command line tool stops at %s with exit code 6", (name, options, env) => {
    const { status, stdout, stderr } = cli(["--help"], { options, env: clean(env) });
    expect(status).toBe(6);
    expect(stdout).toBe("");
    expect(stderr).toContain(name.split("=")[0]);
  });
});

describe("core dumps", () => {
  const crash = "process.abort();\n";
  const limits = "Limit                     Soft Limit           Hard Limit           Units\n";

  test("the limit is read as the kernel prints it", () => {
    expect(
      coreLimitIn(`${limits}Max core file size        0                    unlimited            bytes\n`),
    ).toBe(0);
    expect(
      coreLimitIn(`${limits}Max core file size        unlimited            unlimited            bytes\n`),
    ).toBe(Number.POSITIVE_INFINITY);
    expect(coreLimitIn(limits)).toBeUndefined();
  });

  test("a handler behind a pipe is kept off by a limit of 1 alone, a file by 0 too", () => {
    expect(dumpsNothing(0, "core")).toBe(true);
    expect(dumpsNothing(1, "core.%p")).toBe(true);
    expect(dumpsNothing(4096, "core")).toBe(false);
    expect(dumpsNothing(0, "|/usr/lib/systemd/systemd-coredump")).toBe(false);
    expect(dumpsNothing(1, "|/usr/lib/systemd/systemd-coredump")).toBe(true);
  });

  test("what cannot be ruled out is refused, unless the configuration says otherwise", () => {
    const finding = { subject: "core-dump", sentence: "a dump", remedy: "Do so." } as const;
    const traced = { subject: "ptrace", sentence: "traced", remedy: "Do so." } as const;
    expect(() => acceptFindings([traced, finding], "refuse")).toThrow(SetupError);
    expect(acceptFindings([traced, finding], "warn")).toEqual([traced, finding]);
    expect(acceptFindings([traced], "refuse")).toEqual([traced]);
  });

  const pattern = existsSync("/proc/sys/kernel/core_pattern")
    ? readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim()
    : "|";
  const unlimited = (file: string) =>
    spawnSync("/bin/sh", ["-c", 'ulimit -c unlimited && exec "$0" "$1"', process.execPath, file], {
      cwd: home,
      env: clean(),
      encoding: "utf8",
    });
  const dumps = () => readdirSync(home).filter((name) => name.startsWith("core"));
  const allowed = spawnSync("/bin/sh", ["-c", "ulimit -c unlimited"]).status === 0;
  // Only where this machine writes them into the working directory can a test see one.
  const visible = allowed && /^core(\.|%|$)/.test(pattern) && existsSync("/usr/bin/prlimit");

  test.runIf(visible)("a bare Node writes one when it crashes, a hardened one none", () => {
    unlimited(program(crash, false));
    expect(dumps()).toHaveLength(1);
    for (const name of dumps()) rmSync(join(home, name));
    const { signal } = unlimited(program(crash));
    expect(signal).toBe("SIGABRT");
    expect(dumps()).toEqual([]);
  });

  test.runIf(visible)("the limit is lowered for good, and nothing is left to be warned of", () => {
    const limit =
      '(await import("node:fs")).readFileSync("/proc/self/limits", "utf8").match(/Max core file.*/)?.[0]';
    const { stdout } = unlimited(program(`console.log(${limit});\nconsole.log(JSON.stringify(findings));\n`));
    const [line = "", findings = ""] = stdout.split("\n");
    expect(line).toMatch(/^Max core file size\s+(0\s+0|1\s+1)\s+bytes/);
    expect(findings).not.toContain("core-dump");
  });
});

describe("what breaks", () => {
  test.each([
    ["thrown", 'throw new TypeError("the key is c0ffee");'],
    [
      "rejected",
      'await 0;\nvoid Promise.reject(new TypeError("the key is c0ffee"));\nsetTimeout(() => {}, 1000);',
    ],
    ["thrown later", 'setTimeout(() => { throw new TypeError("the key is c0ffee"); }, 1);'],
  ])("is %s: name and place are told, the message is not, and the process ends with 1", (_name, body) => {
    const { status, stderr } = run(program(body));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^countersign: fault: TypeError\n\s+at .*hardened\.ts:/);
    expect(stderr).not.toContain("c0ffee");
  });

  test("a text names code, call and cause", () => {
    const cause = Object.assign(new Error("open '/secret/c0ffee'"), { code: "ENOENT", syscall: "open" });
    const text = faultText(new RangeError("c0ffee", { cause }));
    expect(text).toMatch(/^fault: RangeError\n/);
    expect(text).toContain("caused by fault: Error (ENOENT open)");
    expect(text).not.toContain("c0ffee");
  });

  test.each([
    ["c0ffee", "fault: a thrown string"],
    [null, "fault: a thrown null"],
    [Object.assign(new Error("x"), { name: "c0 ffee\n", code: "c0 ffee", stack: undefined }), "fault: Error"],
  ])("%j shows nothing of itself", (thrown, text) => expect(faultText(thrown)).toBe(text));
});

test("files are made for their owner alone, and reports hold no environment", () => {
  const body =
    'import { writeFileSync } from "node:fs";\nwriteFileSync("made", "");\n' +
    "console.log(JSON.stringify(process.report.getReport().environmentVariables ?? null));\n";
  const { stdout } = run(program(body), { env: clean({ TOKEN: "c0ffee" }) });
  expect(statSync(join(home, "made")).mode & 0o777).toBe(0o600);
  expect(stdout).toBe("null\n");
});
