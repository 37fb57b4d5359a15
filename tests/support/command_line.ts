/** The command line as a process of its own: what it prints, its exit code, a person's Ctrl-C. */
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { type Ran, run } from "./commands.ts";

const MAIN = `${PROJECT_ROOT}/tools/cli/main.ts`;

export interface CommandLine {
  /** Runs `penstock ARGS` to its end. */
  (...args: readonly string[]): Promise<Ran>;
}

/** Arguments of `deno` that run `penstock`. */
export const PENSTOCK_ARGS: readonly string[] = ["run", "-A", "--quiet", "--no-check", MAIN];

/** A command line with this environment, and no configuration of the person who runs the tests. */
export function commandLine(env: Record<string, string>, cwd?: string): CommandLine {
  return (...args) =>
    run(Deno.execPath(), [...PENSTOCK_ARGS, ...args], {
      env: { PENSTOCK_CONFIG: "/nonexistent/penstock.yaml", ...env },
      timeoutMs: 120_000,
      ...(cwd === undefined ? {} : { cwd }),
    });
}

/** Starts `penstock ARGS` and presses Ctrl-C as soon as what it writes holds `text`. */
export async function interruptedAt(
  text: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Ran> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...PENSTOCK_ARGS, ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(120_000),
  }).spawn();
  let isPressed = false;
  const gathered = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    let written = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      written += chunk;
      if (isPressed || !written.includes(text)) continue;
      isPressed = true;
      child.kill("SIGINT");
    }
    return written;
  };
  const [stdout, stderr] = await Promise.all([gathered(child.stdout), gathered(child.stderr)]);
  return { code: (await child.status).code, stdout, stderr };
}

/** A folder with a program `penstock` in it, to be put in front of PATH. */
export async function penstockOnPath(folder: string): Promise<string> {
  const words = [Deno.execPath(), ...PENSTOCK_ARGS].map((word) => `'${word}'`).join(" ");
  const bin = `${folder}/bin`;
  await Deno.mkdir(bin, { recursive: true });
  await Deno.writeTextFile(`${bin}/penstock`, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return bin;
}
