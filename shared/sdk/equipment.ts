/**
 * Where equipment stands in the plant: the levels above it, from its key or from the topic of its messages.
 *
 * Pure. Hub and dashboard show equipment in this tree and roll alarms up in it; processing does not depend
 * on it.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { callSiteOf } from "./call_site.ts";
import { badOption, checkFunction, checkOptionNames } from "./options.ts";

/** Most levels above equipment. */
export const LEVELS_MAX = 8;
const LEVEL_NAME_MAX = 64;
/** The level of a topic template that holds the key. */
const EQUIPMENT = "equipment";

export type EquipmentOptions =
  | {
    /** Names of the levels, outermost first, such as site, area, line. */
    readonly levels: readonly string[];
    /** Place of each level for a key, outermost first. A key for which it throws has no place. */
    readonly path: (key: string) => readonly string[];
  }
  | {
    /**
     * Form of the topics, such as `plants/{site}/{line}/{equipment}/telemetry`: what stands at
     * `{equipment}` is the key, every other name is a level. `+` stands for any one level of a topic.
     */
    readonly topic: string;
  };

/** How the runner finds the place of equipment. */
export interface EquipmentSpec {
  readonly levels: readonly string[];
  readonly path: ((key: string) => readonly string[]) | null;
  /** Levels of the topic template: a text to be met, null for any, or a name in braces. */
  readonly topic: readonly TopicPart[] | null;
}

export type TopicPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" }
  | { readonly kind: "name"; readonly name: string };

/** @throws {UserError} `bad-option` naming what is wrong; `bad-topic` for a template without `{equipment}`. */
export function equipmentSpec(options: EquipmentOptions, caller: unknown): EquipmentSpec {
  const at = callSiteOf(caller as () => void);
  const known = ["levels", "path", "topic"];
  checkOptionNames("equipment", options, { known, at });
  if ("topic" in options) return templateOf(options.topic, at);
  checkFunction("path", options.path, at);
  return { levels: levelsOf(options.levels, at), path: options.path, topic: null };
}

/** Key and place that `topic` tells under the template; null when the topic has another form. */
export function placeOfTopic(
  topic: string,
  template: readonly TopicPart[],
): { readonly key: string; readonly path: readonly string[] } | null {
  const parts = topic.split("/");
  if (parts.length !== template.length) return null;
  const path: string[] = [];
  let key = "";
  for (const [index, part] of template.entries()) {
    const text = parts[index]!;
    if (part.kind === "text" && part.text !== text) return null;
    if (part.kind !== "name") continue;
    if (text === "") return null;
    if (part.name === EQUIPMENT) key = text;
    else path.push(text);
  }
  return { key, path };
}

function templateOf(topic: unknown, at: string | null): EquipmentSpec {
  if (typeof topic !== "string" || topic === "") {
    throw badOption("topic", topic, 'a form such as "plants/{site}/{equipment}/telemetry"', at);
  }
  const parts = topic.split("/").map((text): TopicPart => {
    const name = /^\{([A-Za-z][A-Za-z0-9_-]*)\}$/.exec(text)?.[1];
    if (name !== undefined) return { kind: "name", name };
    if (text === "+") return { kind: "any" };
    if (!/[{}#+]/.test(text)) return { kind: "text", text };
    throw badTopic(`level "${text}" is neither a text, nor "+", nor one name in braces`, at);
  });
  const names = parts.flatMap((part) => part.kind === "name" ? [part.name] : []);
  if (names.filter((name) => name === EQUIPMENT).length !== 1) {
    throw badTopic(
      `want {${EQUIPMENT}} once, found it ${
        names.filter((name) => name === EQUIPMENT).length
      } times`,
      at,
    );
  }
  const levels = names.filter((name) => name !== EQUIPMENT);
  return { levels: levelsOf(levels, at), path: null, topic: parts };
}

function levelsOf(levels: unknown, at: string | null): readonly string[] {
  const isList = Array.isArray(levels) && levels.length >= 1 && levels.length <= LEVELS_MAX &&
    levels.every((name) =>
      typeof name === "string" && name !== "" && name.length <= LEVEL_NAME_MAX
    ) && new Set(levels).size === levels.length;
  if (isList) return [...levels as string[]];
  throw badOption("levels", levels, `1 to ${LEVELS_MAX} different names of levels`, at);
}

function badTopic(reason: string, at: string | null): UserError {
  return new UserError("bad-topic", `The topic form of equipment is not valid: ${reason}`, { at });
}
