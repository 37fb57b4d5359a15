/** `penstock completion`: a script for the shell. Touches the terminal. @module */
import { buildCommand } from "@stricli/core";
import { docs } from "../flags.ts";
import { SHELLS } from "../completion_script.ts";
import { print } from "../terminal.ts";

export const completion = buildCommand({
  docs: docs(
    "Print a completion script for a shell",
    [
      "completion bash > ~/.local/share/bash-completion/completions/penstock",
      "completion zsh > ~/.penstock-completion.zsh",
      "completion fish > ~/.config/fish/completions/penstock.fish",
    ],
    "Commands, flags and values come from the script itself, names of jobs, agents and savepoints from the hub. " +
      "In bash for this shell alone: source <(penstock completion bash)",
  ),
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "bash, zsh or fish",
        placeholder: "SHELL",
        parse: shellOf,
      }],
    },
  },
  async func(_flags: Record<never, never>, shell: typeof SHELLS[number]) {
    // The tree holds this command: it is loaded when there is one.
    const [{ root }, { commandTree }, { completionScript }] = await Promise.all([
      import("../app.ts"),
      import("../command_tree.ts"),
      import("../completion_script.ts"),
    ]);
    print(completionScript(shell, commandTree(root)).trimEnd());
  },
});

function shellOf(text: string): typeof SHELLS[number] {
  const found = SHELLS.find((shell) => shell === text);
  if (found !== undefined) return found;
  throw new Error(`Want one of ${SHELLS.join(", ")}, found "${text}"`);
}
