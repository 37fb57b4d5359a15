/**
 * Completion scripts for bash, zsh and fish, made of the command tree.
 *
 * Pure. Commands, flags and their values are in the script; names of jobs, agents and so on are asked for by
 * `penstock __names KIND`, which is quick or says nothing. zsh runs the bash script.
 *
 * @module
 */
import type { CommandNode, FlagNode } from "./command_tree.ts";
import { PROCESS_FLAGS } from "./commands/processes.ts";
import { kindOf } from "./completion_names.ts";

export type Shell = "bash" | "zsh" | "fish";
export const SHELLS = ["bash", "zsh", "fish"] as const;

export function completionScript(shell: Shell, nodes: readonly CommandNode[]): string {
  if (shell === "fish") return fishScript(nodes);
  const script = bashScript(nodes);
  return shell === "bash" ? script : `autoload -U +X bashcompinit && bashcompinit\n${script}`;
}

function flagNames({ path, flags }: CommandNode): readonly string[] {
  return PROCESS_FLAGS[path] ?? flags.map(({ name }) => name);
}

/** Flags of one name take the same values wherever they are: grouped by what they offer. */
function flagCases(nodes: readonly CommandNode[]): Map<string, FlagNode> {
  const found = new Map<string, FlagNode>();
  for (const flag of nodes.flatMap(({ flags }) => flags)) {
    if (flag.takesValue && !found.has(flag.name)) found.set(flag.name, flag);
  }
  return found;
}

/** `jobs stop --savepoint`: switches whose name takes a value in another command. */
function loneSwitches(nodes: readonly CommandNode[]): string[] {
  const valued = flagCases(nodes);
  return nodes.flatMap(({ path, flags }) =>
    flags.filter(({ name, takesValue }) => !takesValue && valued.has(name))
      .map(({ name }) => `${path} ${name}`)
  );
}

function bashScript(nodes: readonly CommandNode[]): string {
  const quoted = (text: string) => `"${text}"`;
  const words = nodes.map((node) => {
    const offered = node.children.length > 0 ? node.children : flagNames(node);
    return `    ${quoted(node.path)}) echo ${quoted(offered.join(" "))} ;;`;
  });
  const kinds = nodes.filter(({ positional }) => positional.length > 0).map((node) =>
    `    ${quoted(node.path)}) echo ${quoted(kindsOf(node))} ;;`
  );
  const values = nodes.flatMap(({ path, flags }) =>
    flags.filter((flag) => flag.values.length > 0 && flag.name !== "--output").map((flag) =>
      `    ${quoted(`${path} ${flag.name}`)}) echo ${quoted(flag.values.join(" "))} ;;`
    )
  );
  const flags = [...flagCases(nodes).values()];
  const named = flags.filter(({ placeholder }) => kindOf(placeholder ?? "") !== "none").map((
    { name, placeholder },
  ) => `    ${name}) echo ${quoted(kindOf(placeholder ?? ""))} ;;`);
  return BASH
    .replace("@words@", () => words.join("\n"))
    .replace("@kinds@", () => kinds.join("\n"))
    .replace("@values@", () => values.join("\n"))
    .replace("@named@", () => named.join("\n"))
    .replace("@switches@", () => loneSwitches(nodes).map(quoted).join("|") || quoted("-"))
    .replace("@valued@", () => flags.map(({ name }) => `*" ${name}"`).join("|"));
}

/** Kind of each argument, the last with a `+` when it repeats. */
function kindsOf({ positional, isRepeated }: CommandNode): string {
  return positional.map(kindOf).join(" ") + (isRepeated ? "+" : "");
}

const BASH = `# Completion of penstock: source <(penstock completion bash)
_penstock_words() {
  case "$1" in
@words@
  esac
}
_penstock_kinds() {
  case "$1" in
@kinds@
  esac
}
_penstock_values() {
  case "$1" in
@values@
    *" --output"|*" -o") echo "table wide json yaml" ;;
  esac
}
_penstock_flag_kind() {
  case "$1" in
@named@
  esac
}
_penstock_takes_value() {
  case "$1 $2" in
    @switches@) return 1 ;;
    @valued@|*" -o") return 0 ;;
  esac
  return 1
}
_penstock_offer() {
  local kind="$1" program="$2" current="$3"
  shift 3
  case "$kind" in
    none|"") COMPREPLY=() ;;
    file) COMPREPLY=($(compgen -f -- "$current")) ;;
    *) local IFS=$'\\n'
       COMPREPLY=($(compgen -W "$($program __names "$kind" "$@" 2>/dev/null)" -- "$current")) ;;
  esac
}
_penstock() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local path="" count=0 index=1 word next
  while [ "$index" -lt "$COMP_CWORD" ]; do
    word="\${COMP_WORDS[index]}"
    if _penstock_takes_value "$path" "$word"; then index=$((index + 2)); continue; fi
    case "$word" in
      -*) ;;
      *) next="\${path:+$path }$word"
         if [ -n "$(_penstock_words "$next")" ] && [ "$count" -eq 0 ]; then path="$next"
         else count=$((count + 1)); fi ;;
    esac
    index=$((index + 1))
  done
  local program="\${COMP_WORDS[0]}"
  if _penstock_takes_value "$path" "$previous"; then
    local values="$(_penstock_values "$path $previous")"
    if [ -n "$values" ]; then COMPREPLY=($(compgen -W "$values" -- "$current"))
    else _penstock_offer "$(_penstock_flag_kind "$previous")" "$program" "$current" "\${COMP_WORDS[@]:1}"; fi
    return
  fi
  local kinds="$(_penstock_kinds "$path")"
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$(_penstock_words "$path")" -- "$current")); return ;;
  esac
  if [ -n "$kinds" ]; then
    local list=($kinds) kind
    case "$kinds" in
      *+) kind="\${list[0]%+}" ;;
      *) kind="\${list[$count]:-none}" ;;
    esac
    _penstock_offer "$kind" "$program" "$current" "\${COMP_WORDS[@]:1}"
  else
    COMPREPLY=($(compgen -W "$(_penstock_words "$path")" -- "$current"))
  fi
}
complete -F _penstock penstock
`;

function fishScript(nodes: readonly CommandNode[]): string {
  const lines = nodes.flatMap((node) => {
    const when = `-n '__penstock_at "${node.path}"'`;
    const children = node.children.map((child) => {
      const path = node.path === "" ? child : `${node.path} ${child}`;
      const brief = nodes.find((other) => other.path === path)?.brief ?? "";
      return `complete -c penstock ${when} -a ${child} -d ${fishQuoted(brief)}`;
    });
    const flags = node.flags.map((flag) => fishFlag(when, flag));
    const ownFlags = (PROCESS_FLAGS[node.path] ?? []).map((name) =>
      `complete -c penstock ${when} -l ${name.slice(2)} -r`
    );
    const kind = kindOf(node.positional[0] ?? "");
    const names = kind === "none" || node.positional.length === 0
      ? []
      : kind === "file"
      ? [`complete -c penstock ${when} -F`]
      : [`complete -c penstock ${when} -a '(__penstock_names ${kind})'`];
    return [...children, ...flags, ...ownFlags, ...names];
  });
  const paths = nodes.map(({ path }) => path).filter((path) => path !== "");
  const valued = [...flagCases(nodes).keys(), "-o"];
  return FISH
    .replace("@paths@", () => paths.map(fishQuoted).join(" "))
    .replace("@switches@", () => loneSwitches(nodes).map(fishQuoted).join(" "))
    .replace("@valued@", () => valued.join(" ")) + lines.join("\n") + "\n";
}

function fishFlag(when: string, flag: FlagNode): string {
  const base = `complete -c penstock ${when} -l ${flag.name.slice(2)} -d ${fishQuoted(flag.brief)}`;
  if (!flag.takesValue) return base;
  if (flag.values.length > 0) return `${base} -x -a ${fishQuoted(flag.values.join(" "))}`;
  const kind = kindOf(flag.placeholder ?? "");
  if (kind === "none") return `${base} -x`;
  return kind === "file" ? `${base} -r -F` : `${base} -x -a '(__penstock_names ${kind})'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

const FISH = `# Completion of penstock: penstock completion fish | source
set -g __penstock_paths @paths@
set -g __penstock_valued @valued@
set -g __penstock_switches @switches@
function __penstock_path
  set -l path ""
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip -eq 1
      set skip 0
      continue
    end
    if contains -- $word $__penstock_valued
      contains -- "$path $word" $__penstock_switches; or set skip 1
      continue
    end
    if string match -q -- '-*' $word
      continue
    end
    set -l next (string trim "$path $word")
    if contains -- "$next" $__penstock_paths
      set path "$next"
    end
  end
  echo $path
end
function __penstock_at
  test (__penstock_path) = "$argv[1]"
end
function __penstock_names
  set -l words (commandline -opc)
  $words[1] __names $argv[1] $words[2..-1] 2>/dev/null
end
complete -c penstock -f
`;
