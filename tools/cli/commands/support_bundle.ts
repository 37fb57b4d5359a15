/** `penstock support-bundle`. Touches the network, one file and the terminal. @module */
import { buildCommand } from "@stricli/core";
import { effectiveConfig } from "../config.ts";
import { call, docs, HUB_FLAGS, type HubFlags, textFlag } from "../flags.ts";
import { CliError, EXIT_CONFLICT } from "../hub_api.ts";
import { size } from "../output.ts";
import { openProgress } from "../progress.ts";
import { isProgressTerminal, print } from "../terminal.ts";

type BundleFlags = HubFlags & { readonly file?: string };

export const supportBundle = buildCommand({
  docs: docs(
    "Write what helps to find a fault into one archive, without secrets",
    ["support-bundle", "support-bundle -f penstock-support.zip"],
    "Versions, configuration, readiness, metrics, jobs with attempts and checkpoints, agents, alarms, operations, the " +
      "end of audit log and logs. Tokens, passwords and keys are masked. Look into it before you send it: it holds " +
      "names and values of your plant.",
  ),
  parameters: {
    flags: { ...HUB_FLAGS, file: textFlag("Where to write it; must not be there yet", "FILE.zip") },
    aliases: { o: "output", q: "quiet", f: "file" },
  },
  async func(flags: BundleFlags) {
    const { collectParts, packBundle } = await import("../support_bundle.ts");
    const { api, out } = call(flags);
    const config = effectiveConfig(flags, Deno.env.toObject());
    const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
    const folder = `penstock-support-${stamp}`;
    const file = flags.file ?? `${folder}.zip`;
    // Before anything is asked for: an old archive is not run over.
    await createNew(file);
    const progress = openProgress("support-bundle", {
      isQuiet: out.isQuiet || !isProgressTerminal(),
    });
    try {
      const parts = await collectParts({
        api,
        config,
        nowMs: Date.now(),
        progress: (name, done, total) => progress.show({ done, total, phase: name }),
      });
      const archive = packBundle(folder, parts);
      await Deno.writeFile(file, archive, { mode: 0o600 });
      const summary = {
        file,
        bytes: archive.length,
        parts: parts.map(({ name, text, problem }) => ({ name, bytes: text.length, problem })),
      };
      progress.close();
      if (!out.isForPeople) return out.value(summary);
      out.rows(summary.parts, {
        part: (part) => part.name,
        size: (part) => size(part.bytes),
        problem: (part) => part.problem,
      });
      print(
        `${file}: ${
          size(archive.length)
        }, ${parts.length} parts. Secrets are masked; look into it first`,
      );
    } catch (thrown) {
      progress.close();
      await Deno.remove(file).catch(() => {});
      throw thrown;
    }
  },
});

async function createNew(file: string): Promise<void> {
  try {
    (await Deno.open(file, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new CliError(`${file} is there already: name another with -f`, EXIT_CONFLICT);
  }
}
