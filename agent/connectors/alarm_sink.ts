/**
 * Turns anomalies, or any record, into alarm edges with stable ids.
 *
 * Pure but for the callback. Invariant: the same record in the same place of the stream gives the same edge id on
 * every replay, and the clear of an occurrence has the alarm id of its raise. An anomaly brings the name of its
 * occurrence with both edges, kept with its key wherever that goes. Of other records that say whether something is
 * active the ids of what is are state here, and in the snapshot; they stay with the subtask when keys move.
 *
 * Edges need no flush of their own: they leave the runner ahead of its snapshot, in the same pipe.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Clock } from "@shared/clock.ts";
import { PenstockError } from "@shared/errors.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import type { SinkSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "./connector.ts";

export type AlarmSinkSpec = Extract<SinkSpec, { connector: "alarm" }>;

export interface AlarmSinkOptions {
  readonly spec: AlarmSinkSpec;
  readonly sinkUid: string;
  /** Operator whose output it takes. */
  readonly operatorUid: string;
  readonly jobId: string;
  readonly regionId: string;
  readonly clock: Clock;
  readonly emit: (edge: AlarmEdge) => void;
}

const SECTION_VERSION = 1;
const TEXT_CHARS_MAX = 4096;

/** A sink that calls `emit` for each edge, during `write`. */
export function createAlarmSink(options: AlarmSinkOptions): SinkWriter {
  return new AlarmSink(options);
}

class AlarmSink implements SinkWriter {
  readonly pendingCount = 0;
  readonly #options: AlarmSinkOptions;
  /** Alarm id of each active occurrence, by what it is about. */
  readonly #active = new Map<string, string>();

  constructor(options: AlarmSinkOptions) {
    this.#options = options;
  }

  write(value: unknown, outputId: string): void {
    const { spec, sinkUid, operatorUid, jobId, regionId, clock, emit } = this.#options;
    const fields = (typeof value === "object" && value !== null ? value : {}) as Fields;
    const key = textOf(fields.key) ?? textOf(fields.equipment) ?? "";
    const isActive = fields.isActive !== false;
    const alarmId = this.#alarmIdOf(fields, { key, isActive, outputId });
    emit({
      edgeId: idOf(alarmId, isActive ? "raise" : "clear"),
      alarmId,
      jobId: jobId as AlarmEdge["jobId"],
      regionId: regionId as AlarmEdge["regionId"],
      operatorUid,
      sinkUid,
      key: key.slice(0, TEXT_CHARS_MAX),
      isActive,
      priority: spec.priority,
      text: (saidOf(spec, value) ?? defaultText(fields, key)).slice(0, TEXT_CHARS_MAX),
      response: spec.response,
      atMs: numberOf(fields.atMs) ?? clock.nowMs(),
      value: numberOf(fields.value),
      score: numberOf(fields.score),
      threshold: numberOf(fields.threshold),
      low: numberOf(fields.low),
      high: numberOf(fields.high),
    });
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  capture(): Uint8Array {
    const section = { version: SECTION_VERSION, active: [...this.#active].sort() };
    return new TextEncoder().encode(JSON.stringify(section));
  }

  restore(section: Uint8Array): void {
    const { version, active } = JSON.parse(new TextDecoder().decode(section));
    if (version !== SECTION_VERSION) {
      throw new PenstockError(
        `Cannot restore alarm sink ${this.#options.sinkUid}: its snapshot section has version ${version}, ` +
          `want ${SECTION_VERSION}`,
        { code: "bad-section", domain: "internal" },
      );
    }
    // One subtask may take over from several.
    for (const [subject, alarmId] of active) this.#active.set(subject, alarmId);
  }

  notifyCompleted(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }

  #alarmIdOf(
    fields: Fields,
    edge: { key: string; isActive: boolean; outputId: string },
  ): string {
    const { jobId, sinkUid } = this.#options;
    // Only what says whether it is active has a clear to come.
    if (typeof fields.isActive !== "boolean") return idOf(jobId, sinkUid, edge.outputId);
    const subject = `${textOf(fields.detector) ?? ""} ${edge.key}`;
    const occurrenceId = textOf(fields.occurrenceId);
    if (occurrenceId !== null) return idOf(jobId, sinkUid, subject, occurrenceId);
    const alarmId = this.#active.get(subject) ?? idOf(jobId, sinkUid, subject, edge.outputId);
    if (edge.isActive) this.#active.set(subject, alarmId);
    else this.#active.delete(subject);
    return alarmId;
  }
}

/** What of a record an alarm shows, when it is there. */
interface Fields {
  readonly key?: unknown;
  readonly equipment?: unknown;
  readonly detector?: unknown;
  readonly isActive?: unknown;
  readonly occurrenceId?: unknown;
  readonly atMs?: unknown;
  readonly value?: unknown;
  readonly score?: unknown;
  readonly threshold?: unknown;
  readonly low?: unknown;
  readonly high?: unknown;
}

/** The author's text; null when there is none: an alarm rings, whatever becomes of its text. */
function saidOf({ text }: AlarmSinkSpec, value: unknown): string | null {
  try {
    return textOf(text?.(value));
  } catch {
    return null;
  }
}

function defaultText(fields: Fields, key: string): string {
  const detector = textOf(fields.detector);
  const value = numberOf(fields.value);
  const what = detector === null ? "Condition" : `Anomaly (${detector})`;
  return `${what}${key === "" ? "" : ` of ${key}`}${value === null ? "" : `: ${value}`}`;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** 128 bits of SHA-256, hex. */
function idOf(...parts: string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 32);
}
