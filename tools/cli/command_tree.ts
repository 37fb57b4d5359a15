/** The commands as a list, for what is made of them: completion and tests of the help. Pure. @module */
import type { CommandContext, RouteMap } from "@stricli/core";

export interface FlagNode {
  /** `--output`, `--no-wait`. */
  readonly name: string;
  readonly brief: string;
  readonly takesValue: boolean;
  /** What may stand behind it; empty: anything. */
  readonly values: readonly string[];
  /** Placeholder of its value; null for a switch. */
  readonly placeholder: string | null;
}

export interface CommandNode {
  /** `jobs list`. */
  readonly path: string;
  readonly brief: string;
  readonly help: string;
  /** Names below it; empty for a command that can be run. */
  readonly children: readonly string[];
  readonly flags: readonly FlagNode[];
  /** Placeholders of its arguments; the last one repeats when `isRepeated`. */
  readonly positional: readonly string[];
  readonly isRepeated: boolean;
}

type Entries = ReturnType<RouteMap<CommandContext>["getAllEntries"]>;
type Target = Entries[number]["target"];
interface FlagShape {
  readonly kind: string;
  readonly brief: string;
  readonly placeholder?: string;
  readonly values?: readonly string[];
  readonly default?: unknown;
}
interface PositionalShape {
  readonly kind: "tuple" | "array";
  readonly parameters?: readonly { readonly placeholder?: string }[];
  readonly parameter?: { readonly placeholder?: string };
}

/** Every node below `root`, itself first with an empty path. */
export function commandTree(root: RouteMap<CommandContext>): CommandNode[] {
  return nodesOf(root, "");
}

function nodesOf(target: Target, path: string): CommandNode[] {
  const node = { path, brief: target.brief, help: target.fullDescription ?? "" };
  if (!("getAllEntries" in target)) return [{ ...node, ...commandParts(target.parameters) }];
  const entries = target.getAllEntries().filter(({ hidden }) => !hidden);
  const below = entries.map((entry) => ({
    name: entry.name["convert-camel-to-kebab"],
    target: entry.target,
  }));
  const own = { ...node, children: below.map(({ name }) => name), ...NO_PARTS };
  return [
    own,
    ...below.flatMap(({ name, target }) => nodesOf(target, path === "" ? name : `${path} ${name}`)),
  ];
}

const NO_PARTS = { flags: [], positional: [], isRepeated: false } as const;

function commandParts(
  parameters: unknown,
): Pick<CommandNode, "children" | "flags" | "positional" | "isRepeated"> {
  const { flags = {}, positional } = parameters as {
    readonly flags?: Readonly<Record<string, FlagShape>>;
    readonly positional?: PositionalShape;
  };
  const placeholders = positional?.kind === "array"
    ? [positional.parameter?.placeholder ?? ""]
    : (positional?.parameters ?? []).map(({ placeholder }) => placeholder ?? "");
  return {
    children: [],
    flags: [
      ...Object.entries(flags).map(([name, flag]) => flagNode(name, flag)),
      { name: "--help", brief: "Help", takesValue: false, values: [], placeholder: null },
    ],
    positional: placeholders,
    isRepeated: positional?.kind === "array",
  };
}

function flagNode(name: string, flag: FlagShape): FlagNode {
  const kebab = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const isSwitch = flag.kind === "boolean";
  return {
    name: isSwitch && flag.default === true ? `--no-${kebab}` : `--${kebab}`,
    brief: flag.brief,
    takesValue: !isSwitch,
    values: flag.values ?? [],
    placeholder: isSwitch ? null : flag.placeholder ?? "",
  };
}
