/**
 * Collects the operators of one job while its author's function runs, and makes the graph of them.
 *
 * Pure. Invariants:
 *   1. uids are explicit, well formed and unique: state is found by them again (S2).
 *   2. An operator is added after its input, so the order of declaration is topological.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { UID_PATTERN } from "@shared/ids.ts";
import {
  type GraphEdge,
  isExchange,
  JOB_GRAPH_VERSION,
  type OperatorNode,
  type SourceDescriptor,
} from "@shared/job_graph.ts";
import type { EquipmentSpec } from "./equipment.ts";
import type { BuiltJob, KeyClockSpec, OperatorSpec } from "./operator.ts";

/** Most operators one job may have. */
export const OPERATORS_MAX = 500;

/** Where an operator gets its records from. */
export interface Input {
  readonly uid: string;
  readonly edge: GraphEdge["kind"];
  /** Of keyed edges: the key as text. */
  // deno-lint-ignore no-explicit-any -- records are of the author's types
  readonly keyOf?: (record: any) => string;
  /** Input of the operator behind; 0 unless given. */
  readonly input?: 0 | 1;
  /** Side output taken; the main output unless given. */
  readonly output?: string;
}

/** How event time advances on the sources behind an input. */
export interface InputTime {
  /** Every record carries an event time; otherwise some have that of their arrival. */
  readonly isOfRecord: boolean;
  /** Set where each key has an event time of its own. */
  readonly keyClock: KeyClockSpec | null;
}

export class JobPlan {
  /** Where equipment stands; null while the author has not said. */
  equipment: EquipmentSpec | null = null;
  readonly #nodes: OperatorNode[] = [];
  readonly #edges: GraphEdge[] = [];
  readonly #selectors: BuiltJob["selectors"][number][] = [];
  readonly #specs = new Map<string, OperatorSpec>();
  readonly #declaredAt = new Map<string, string | null>();

  /**
   * Adds one operator behind `input`; a source has none, a join or union several.
   *
   * @param at Place of the author's call, for the message.
   * @throws {UserError} `missing-uid`, `bad-uid`, `duplicate-uid` or `too-many-operators`.
   */
  add(
    node: OperatorNode,
    spec: OperatorSpec,
    from: { input: Input | readonly Input[] | null; at: string | null },
  ) {
    checkUid(node.uid, node.kind, from.at);
    const earlier = this.#declaredAt.get(node.uid);
    if (this.#specs.has(node.uid)) {
      throw new UserError(
        "duplicate-uid",
        `Operator uid "${node.uid}" is used twice${earlier ? ` (first at ${earlier})` : ""}: ` +
          `give each operator a uid of its own, since its state is found by it`,
        { at: from.at },
      );
    }
    if (this.#nodes.length === OPERATORS_MAX) {
      throw new UserError("too-many-operators", `A job has at most ${OPERATORS_MAX} operators`, {
        at: from.at,
      });
    }
    this.#nodes.push(node);
    this.#specs.set(node.uid, spec);
    this.#declaredAt.set(node.uid, from.at);
    for (const { uid, edge, keyOf, input, output } of [from.input ?? []].flat()) {
      this.#edges.push({
        from: uid,
        to: node.uid,
        kind: edge,
        ...(input === undefined ? {} : { input }),
        ...(output === undefined ? {} : { output }),
      });
      this.#selectors.push(keyOf ?? null);
    }
  }

  /**
   * What the sources that feed `inputs` say of event time. A broadcast has no part in it.
   *
   * @param at Place of the author's call, for the message.
   * @throws {UserError} `mixed-event-time` if some have an event time for each key and some have not.
   */
  timeOf(inputs: readonly Input[], at: string | null): InputTime {
    const times = this.#sourcesBehind(inputs).map(({ source }) => source.eventTime);
    const perKey = times.filter((time) => time?.perKey === true);
    if (perKey.length > 0 && perKey.length < times.length) {
      throw new UserError(
        "mixed-event-time",
        "Some sources of this stream have an event time for each key and some have not: " +
          "give perKey: true to all of them, or to none",
        { at },
      );
    }
    const idle = perKey.map((time) => time!.idleAfterMs);
    const keyClock = perKey.length === 0 ? null : {
      maxOutOfOrdernessMs: Math.max(...perKey.map((time) => time!.maxOutOfOrdernessMs)),
      idleAfterMs: idle.includes(null) ? null : Math.max(...idle.map(Number)),
    };
    return { isOfRecord: times.every((time) => time?.isOfRecord === true), keyClock };
  }

  /** The stage that `inputs` are in, by the operators at which it begins: sources and targets of exchanges. */
  stageOf(inputs: readonly Input[]): string {
    const within = new Set(inputs.map(({ uid }) => uid));
    for (const edge of [...this.#edges].reverse()) {
      if (within.has(edge.to) && !isExchange(edge)) within.add(edge.from);
    }
    const begins = (uid: string) =>
      this.#edges.every((edge) => edge.to !== uid || edge.kind === "broadcast") ||
      this.#edges.some((edge) => edge.to === uid && edge.kind === "keyBy");
    return [...within].filter(begins).sort().join(", ");
  }

  /** The stages that each operator is part of, by the operators at which they begin. */
  #stages(): ReadonlyMap<string, ReadonlySet<string>> {
    const keyedHeads = this.#keyedHeads();
    const headsOf = new Map<string, Set<string>>();
    for (const { uid, kind } of this.#nodes) {
      const isHead = kind === "source" || keyedHeads.has(uid);
      const heads = new Set(isHead ? [uid] : []);
      for (const edge of this.#edges) {
        if (edge.to !== uid || isExchange(edge)) continue;
        for (const head of headsOf.get(edge.from)!) heads.add(head);
      }
      headsOf.set(uid, heads);
    }
    return headsOf;
  }

  #keyedHeads(): ReadonlySet<string> {
    return new Set(this.#edges.filter(({ kind }) => kind === "keyBy").map(({ to }) => to));
  }

  /**
   * State per key lives in the subtasks of one stage, or of sources alone: otherwise one key would have state in
   * two of them.
   */
  #checkStages(headsOf: ReadonlyMap<string, ReadonlySet<string>>): void {
    const keyedHeads = this.#keyedHeads();
    for (const { uid, isKeyed } of this.#nodes) {
      const heads = headsOf.get(uid)!;
      if (!isKeyed || heads.size < 2 || ![...heads].some((head) => keyedHeads.has(head))) continue;
      throw new UserError(
        "mixed-stages",
        `Operator "${uid}" keeps state per key, but its records come from ${
          [...heads].map((head) => `"${head}"`).join(" and ")
        }, of which one is behind a keyBy: put keyBy, not keyByLocal, before it`,
        { at: this.#declaredAt.get(uid) ?? null },
      );
    }
  }

  /**
   * Channels run one way: a stage whose own records come back to it would wait for its own barrier. Only a
   * broadcast can lead back, since it does not begin a stage.
   */
  #checkBroadcasts(headsOf: ReadonlyMap<string, ReadonlySet<string>>): void {
    const exchanges = this.#edges.filter(isExchange);
    const behind = (head: string) =>
      exchanges.filter(({ from }) => headsOf.get(from)!.has(head))
        .flatMap(({ to }) => [...headsOf.get(to)!]);
    for (const { to } of exchanges.filter(({ kind }) => kind === "broadcast")) {
      for (const head of headsOf.get(to)!) {
        const reached = new Set(behind(head));
        for (const next of reached) for (const further of behind(next)) reached.add(further);
        if (reached.has(head)) throw this.#circle(to, head);
      }
    }
  }

  #circle(uid: string, head: string): UserError {
    return new UserError(
      "broadcast-circle",
      `What "${uid}" gets as a broadcast is made of the records of "${head}", which it runs beside: neither could ` +
        `go on without the other. Put keyBy, not keyByLocal, before "${uid}", or broadcast a source of its own`,
      { at: this.#declaredAt.get(uid) ?? null },
    );
  }

  #sourcesBehind(inputs: readonly Input[]): (OperatorNode & { source: SourceDescriptor })[] {
    const behind = new Set(inputs.filter(({ edge }) => edge !== "broadcast").map(({ uid }) => uid));
    // Edges are in the order of declaration, which is topological: one pass from the end finds all.
    for (const edge of [...this.#edges].reverse()) {
      if (behind.has(edge.to) && edge.kind !== "broadcast") behind.add(edge.from);
    }
    return this.#nodes.flatMap((node) =>
      behind.has(node.uid) && node.source !== undefined ? [{ ...node, source: node.source }] : []
    );
  }

  /**
   * @param at Place of `defineJob`.
   * @throws {UserError} `no-source`, `no-sink`, `mixed-stages` or `broadcast-circle`.
   */
  finish(name: string, at: string | null): BuiltJob {
    const has = (kind: OperatorNode["kind"]) => this.#nodes.some((node) => node.kind === kind);
    if (!has("source")) {
      throw new UserError("no-source", `Job "${name}" has no source: begin with job.source(…)`, {
        at,
      });
    }
    if (!has("sink")) {
      throw new UserError("no-sink", `Job "${name}" has no sink: end a stream with .sink(…)`, {
        at,
      });
    }
    const headsOf = this.#stages();
    this.#checkStages(headsOf);
    this.#checkBroadcasts(headsOf);
    checkAlarms(this.#nodes, this.#edges, at);
    const { equipment } = this;
    const operators = [
      ...this.#nodes.filter((node) => node.kind === "source"),
      ...this.#nodes.filter((node) => node.kind !== "source"),
    ];
    return {
      graph: {
        version: JOB_GRAPH_VERSION,
        name,
        operators,
        edges: [...this.#edges],
        ...(equipment === null ? {} : { levels: equipment.levels }),
      },
      operators: new Map(this.#specs),
      selectors: [...this.#selectors],
      ...(equipment === null ? {} : { equipment }),
    };
  }
}

/** @throws {UserError} `no-signal`, `unknown-sink`, `suppression-circle`: an alarm that could not be carried out as asked. */
function checkAlarms(
  nodes: readonly OperatorNode[],
  edges: readonly GraphEdge[],
  at: string | null,
): void {
  const kinds = new Map(nodes.map((node) => [node.uid, node.kind]));
  const alarms = nodes.filter((node) => node.sink?.connector === "alarm");
  for (const { uid, sink } of alarms) {
    if (sink?.connector !== "alarm") continue;
    const fed = edges.filter((edge) => edge.to === uid).map((edge) => kinds.get(edge.from));
    if (sink.noData !== undefined && !fed.every((kind) => kind === "detect")) {
      throw new UserError(
        "no-signal",
        `Alarm sink "${uid}" has noData, but is not behind .detect(…): only a detector has a signal that can fall silent`,
        { at },
      );
    }
    const unknown = sink.suppressedBy?.find((by) =>
      by === uid || !alarms.some((alarm) => alarm.uid === by)
    );
    if (unknown !== undefined) {
      throw new UserError(
        "unknown-sink",
        `Alarm sink "${uid}" is suppressed by "${unknown}", which is no other alarm sink of this job`,
        { at },
      );
    }
  }
  for (const { uid } of alarms) {
    const circle = circleThrough(uid, alarms);
    if (circle === null) continue;
    throw new UserError(
      "suppression-circle",
      `Alarm sinks suppress each other in a circle, so that none of them would ring: ${
        circle.map((each) => `"${each}"`).join(" is suppressed by ")
      }. Leave out one suppressedBy`,
      { at },
    );
  }
}

/** Alarm sinks from `uid` back to it, each suppressed by the next; null when nothing leads back. */
function circleThrough(uid: string, alarms: readonly OperatorNode[]): string[] | null {
  const cameFrom = new Map<string, string>();
  const open = [uid];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const sink = alarms.find((alarm) => alarm.uid === at)?.sink;
    for (const by of sink?.connector === "alarm" ? sink.suppressedBy ?? [] : []) {
      if (cameFrom.has(by)) continue;
      cameFrom.set(by, at);
      open.push(by);
    }
  }
  if (!cameFrom.has(uid)) return null;
  const circle = [uid];
  for (let at = cameFrom.get(uid)!; at !== uid; at = cameFrom.get(at)!) circle.unshift(at);
  return [uid, ...circle];
}

function checkUid(uid: unknown, kind: string, at: string | null): void {
  if (typeof uid !== "string" || uid === "") {
    throw new UserError(
      "missing-uid",
      `A ${kind} has no uid: give it one as the first argument, such as .${kind}("my-${kind.toLowerCase()}", …)`,
      { at },
    );
  }
  if (!UID_PATTERN.test(uid)) {
    throw new UserError(
      "bad-uid",
      `Operator uid ${
        JSON.stringify(uid)
      } is not allowed: use up to 64 letters, digits, "_", "." ` +
        `and "-", beginning with a letter or digit`,
      { at },
    );
  }
}
