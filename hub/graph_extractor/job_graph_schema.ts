/**
 * Checks a graph that came out of a job's own code before the hub trusts it.
 *
 * Pure. The graph is as untrusted as the bundle: everything is bounded, and nothing beyond the known
 * fields is kept.
 *
 * @module
 */
import * as z from "zod/mini";
import { UserError } from "@shared/errors.ts";
import { NAME_PATTERN, UID_PATTERN } from "@shared/ids.ts";
import { JOB_GRAPH_VERSION, type JobGraph, type OperatorNode } from "@shared/job_graph.ts";

const OPERATORS_MAX = 500;
const EDGES_MAX = 1_000;
const SPLITS_MAX = 1_000;
const LEVELS_MAX = 8;

const name = z.string().check(z.regex(NAME_PATTERN));
const uid = z.string().check(z.regex(UID_PATTERN));
const label = z.string().check(z.maxLength(200));
const whole = (min: number, max: number) => z.int().check(z.gte(min), z.lte(max));

const split = z.object({
  topics: z.array(z.string().check(z.minLength(1), z.maxLength(65_535))).check(z.maxLength(1_000)),
  near: z.record(z.string().check(z.maxLength(200)), z.string().check(z.maxLength(200))),
});
const splits = z.array(split).check(z.minLength(1), z.maxLength(SPLITS_MAX));

const durationMs = whole(0, Number.MAX_SAFE_INTEGER);
const timing = {
  eventTime: z.optional(z.object({
    isOfRecord: z.boolean(),
    maxOutOfOrdernessMs: durationMs,
    idleAfterMs: z.nullable(durationMs),
    perKey: z.boolean(),
    maxFutureSkewMs: z.nullable(durationMs),
    onFuture: z.enum(["clamp", "deadLetter"]),
  })),
  overload: z.optional(z.enum(["block", "sample", "dropOldest"])),
};

const source = z.discriminatedUnion("connector", [
  z.object({
    connector: z.literal("mqtt"),
    ...timing,
    broker: name,
    splits: splits.check(
      z.refine((all) => all.every((one) => one.topics.length > 0), "a split has no topics"),
    ),
    receiveMaximum: whole(1, 65_535),
    sessionExpirySeconds: whole(1, 0xffff_ffff),
    whenHubAway: z.enum(["continue", "hold"]),
    onGap: z.enum(["continue", "fail"]),
    maxPayloadBytes: whole(1, 268_435_455),
    peakRate: z.nullable(z.number().check(z.positive())),
  }),
  z.object({ connector: z.literal("generator"), splits, ...timing }),
  z.object({
    connector: z.literal("file"),
    path: label,
    format: z.enum(["jsonl", "csv"]),
    splits,
    ...timing,
  }),
]);

const priority = z.enum(["low", "medium", "high", "critical"]);
const advice = z.string().check(z.maxLength(2_000));
const sink = z.discriminatedUnion("connector", [
  z.object({
    connector: z.literal("mqtt"),
    broker: name,
    delivery: z.enum(["direct", "staged"]),
  }),
  z.object({
    connector: z.literal("alarm"),
    priority,
    delivery: z.literal("idempotent"),
    response: advice,
    cause: z.optional(advice),
    consequence: z.optional(advice),
    onDelayMs: z.optional(durationMs),
    offDelayMs: z.optional(durationMs),
    reAlarmMs: z.optional(whole(1, Number.MAX_SAFE_INTEGER)),
    noData: z.optional(z.object({ afterMs: whole(1, Number.MAX_SAFE_INTEGER), priority })),
    suppressedBy: z.optional(z.array(uid).check(z.maxLength(100))),
  }),
  z.object({ connector: z.literal("file"), path: label, delivery: z.literal("direct") }),
]);

const operator = z.object({
  uid,
  kind: z.enum([
    "source",
    "map",
    "filter",
    "flatMap",
    "mapWithState",
    "flatMapWithState",
    "process",
    "detect",
    "union",
    "window",
    "windowJoin",
    "intervalJoin",
    "lookupJoin",
    "sink",
  ]),
  label,
  isKeyed: z.boolean(),
  states: z.array(z.object({
    name: z.string().check(z.regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/)),
    kind: z.enum([
      "value",
      "list",
      "map",
      "reducing",
      "aggregating",
      "detector",
      "window",
      "join",
      "timers",
      "broadcast",
    ]),
    codecVersion: whole(1, Number.MAX_SAFE_INTEGER),
    migratesFrom: z.optional(z.array(whole(1, Number.MAX_SAFE_INTEGER)).check(z.maxLength(1_000))),
  })).check(z.maxLength(100)),
  source: z.optional(source),
  sink: z.optional(sink),
});

const graphSchema = z.object({
  version: z.literal(JOB_GRAPH_VERSION),
  name,
  operators: z.array(operator).check(z.minLength(1), z.maxLength(OPERATORS_MAX)),
  edges: z.array(z.object({
    from: uid,
    to: uid,
    kind: z.enum(["forward", "keyByLocal", "keyBy", "broadcast"]),
    input: z.optional(z.literal([0, 1])),
    output: z.optional(uid),
  })).check(z.maxLength(EDGES_MAX)),
  levels: z.optional(
    z.array(z.string().check(z.minLength(1), z.maxLength(64))).check(z.maxLength(LEVELS_MAX)),
  ),
});

/**
 * The graph in `answer`, with known fields alone.
 *
 * @throws {UserError} `bad-graph` if it has another shape, exceeds a bound or does not hang together.
 */
export function decodeJobGraph(answer: unknown): JobGraph {
  const parsed = z.safeParse(graphSchema, answer);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw badGraph(`${issue.path.join(".") || "graph"}: ${issue.message}`);
  }
  const graph = parsed.data as JobGraph;
  const fault = faultOf(graph);
  if (fault !== null) throw badGraph(fault);
  return graph;
}

/** What does not hang together, or null: unique uids, order, and the parts each kind must have. */
function faultOf(graph: JobGraph): string | null {
  const position = new Map<string, number>();
  for (const [index, node] of graph.operators.entries()) {
    if (position.has(node.uid)) return `operator "${node.uid}" is there twice`;
    position.set(node.uid, index);
    const fault = nodeFaultOf(node);
    if (fault !== null) return fault;
  }
  const fed = new Set<string>();
  for (const { from, to } of graph.edges) {
    const fromIndex = position.get(from);
    const toIndex = position.get(to);
    if (fromIndex === undefined || toIndex === undefined) return `edge ${from} → ${to} has no end`;
    if (fromIndex >= toIndex) return `edge ${from} → ${to} goes backwards`;
    fed.add(to);
  }
  const loose = graph.operators.find((node) => fed.has(node.uid) === (node.kind === "source"));
  if (loose !== undefined) {
    return `operator "${loose.uid}" ${loose.kind === "source" ? "has an" : "has no"} input`;
  }
  return null;
}

function nodeFaultOf(node: OperatorNode): string | null {
  if ((node.kind === "source") !== (node.source !== undefined)) {
    return `operator "${node.uid}" does not say what it reads`;
  }
  if ((node.kind === "sink") !== (node.sink !== undefined)) {
    return `operator "${node.uid}" does not say what it writes`;
  }
  if (new Set(node.states.map((state) => state.name)).size !== node.states.length) {
    return `operator "${node.uid}" has two states of one name`;
  }
  return null;
}

function badGraph(fault: string): UserError {
  return new UserError("bad-graph", `The job's graph is not valid: ${fault}`);
}
