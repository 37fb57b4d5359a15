/**
 * Runs a job over files, to the end of the last one.
 *
 * Touches files, outputs and turns of the event loop through its ports. Several sources are read in the order
 * of event time, so that none runs ahead of the others; of one time, and without event time, in turns.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { UserError } from "@shared/errors.ts";
import type { AlarmEdge, RegionEvent } from "@shared/messages.ts";
import type { BuiltJob, SinkSpec } from "@shared/sdk/operator.ts";
import { createAlarmSink } from "../connectors/alarm_sink.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import { DataClock } from "./data_clock.ts";
import { createLocalSink, lineEncoder } from "./line_sink.ts";
import { LocalJob, startTimeOf } from "./local_job.ts";
import type { LocalSource } from "./local_source.ts";
import { type InputFile, RecordReader } from "./record_reader.ts";

/** Dead letters that are told one by one; the others are counted. */
export const DEAD_LETTERS_TOLD_MAX = 20;
/** Records between two looks at the clock. */
const LOOK_RECORDS = 256;
/** Longest time before other work, a signal too, gets its turn, ms. */
const TURN_MS = 50;

export interface RunPorts {
  /** Files of each source, by uid. */
  readonly inputs: ReadonlyMap<string, readonly InputFile[]>;
  readonly parallelism: number;
  /** Time of the records of a job without event time, ms since the epoch. */
  readonly startMs: number;
  /** Takes a line of a sink, without its end. */
  readonly line: (sinkUid: string, line: string) => void;
  /** Takes what is to be told a person. */
  readonly note: (text: string) => void;
  readonly monotonicMs: () => number;
  /** Resolves after other work, a signal too, had its turn. */
  readonly yieldTurn: () => Promise<void>;
  readonly isStopped: () => boolean;
}

export interface RunSummary {
  readonly records: number;
  readonly outputs: number;
  readonly deadLetters: number;
  readonly late: number;
  /** False when it was stopped before the end of the input. */
  readonly isComplete: boolean;
}

/**
 * Reads every file to its end, fires what is left, and answers what happened.
 *
 * @throws {UserError} `input-missing` if a source has no file, `operator-failed` if an operator threw.
 */
export async function runJob(job: BuiltJob, ports: RunPorts): Promise<RunSummary> {
  const run = new Run(job, ports);
  try {
    return await run.toEnd();
  } finally {
    run.close();
  }
}

/** One source with the record it is to emit next. */
interface Feed {
  readonly source: LocalSource;
  readonly reader: RecordReader;
  /** Event time of the record at hand; the one before where it has none. */
  atMs: number;
}

class Run {
  readonly #ports: RunPorts;
  readonly #job: LocalJob;
  readonly #feeds: Feed[];
  #records = 0;
  #outputs = 0;
  #undecodable = 0;
  #lettersTold = 0;
  #turnedMs: number;

  constructor(job: BuiltJob, ports: RunPorts) {
    this.#ports = ports;
    this.#turnedMs = ports.monotonicMs();
    const clock = new DataClock(startTimeOf(job, ports.startMs));
    this.#job = new LocalJob(job, {
      clock,
      parallelism: ports.parallelism,
      createSink: (uid, regionId) => this.#createSink(job, { uid, regionId, clock }),
      deadLetter: (event) => this.#operatorLetter(event),
    });
    this.#feeds = this.#job.sourceUids.map((uid) => this.#feedOf(uid));
  }

  async toEnd(): Promise<RunSummary> {
    this.#job.start();
    const isComplete = this.#feeds.length === 1
      ? await this.#readOne(this.#feeds[0]!)
      : await this.#readAll();
    if (isComplete) this.#job.drain();
    return {
      records: this.#records,
      outputs: this.#outputs,
      deadLetters: this.#undecodable + this.#job.deadLetterCount,
      late: this.#job.lateCount,
      isComplete,
    };
  }

  close(): void {
    for (const { reader } of this.#feeds) reader.close();
  }

  async #readOne({ source, reader }: Feed): Promise<boolean> {
    let untilLook = LOOK_RECORDS;
    while (reader.next()) {
      this.#records++;
      if (reader.fault === null) source.record(reader.value, reader.position);
      else this.#undecoded(source, reader);
      if (--untilLook > 0) continue;
      untilLook = LOOK_RECORDS;
      if (this.#isTurnDue() && !await this.#turn()) return false;
    }
    return true;
  }

  async #readAll(): Promise<boolean> {
    let open = this.#feeds.filter((feed) => this.#take(feed));
    for (let untilLook = LOOK_RECORDS; open.length > 0;) {
      let next = open[0]!;
      for (const feed of open) if (feed.atMs < next.atMs) next = feed;
      next.source.record(next.reader.value, next.reader.position);
      if (!this.#take(next)) {
        open = open.filter((feed) => feed !== next);
        next.source.end();
      }
      if (--untilLook > 0) continue;
      untilLook = LOOK_RECORDS;
      if (this.#isTurnDue() && !await this.#turn()) return false;
    }
    return true;
  }

  /** Takes the next record of a source in hand; false at its end. */
  #take(feed: Feed): boolean {
    const { source, reader } = feed;
    while (reader.next()) {
      this.#records++;
      if (reader.fault === null) {
        feed.atMs = source.timeOf(reader.value) ?? feed.atMs;
        return true;
      }
      this.#undecoded(source, reader);
    }
    return false;
  }

  #isTurnDue(): boolean {
    return this.#ports.monotonicMs() - this.#turnedMs >= TURN_MS;
  }

  async #turn(): Promise<boolean> {
    this.#job.sweep();
    await this.#ports.yieldTurn();
    this.#turnedMs = this.#ports.monotonicMs();
    return !this.#ports.isStopped();
  }

  #feedOf(uid: string): Feed {
    const source = this.#job.source(uid);
    const files = this.#ports.inputs.get(uid);
    if (files === undefined || files.length === 0) {
      throw new UserError(
        "input-missing",
        `Source "${uid}" has no input: give --input ${uid}=FILE`,
      );
    }
    return { source, reader: new RecordReader(files, source.spec), atMs: -Infinity };
  }

  #createSink(
    job: BuiltJob,
    { uid, regionId, clock }: { uid: string; regionId: string; clock: DataClock },
  ): SinkWriter {
    const spec = sinkSpecOf(job, uid);
    const emit = (line: string) => {
      this.#outputs++;
      this.#ports.line(uid, line);
    };
    if (spec.connector === "alarm") {
      const operatorUid = job.graph.edges.find(({ to }) => to === uid)?.from ?? uid;
      const jobId = jobIdOf(job.graph.name);
      return createAlarmSink({
        spec,
        sinkUid: uid,
        operatorUid,
        jobId,
        regionId,
        clock,
        emit: (edge: AlarmEdge) => emit(JSON.stringify(edge)),
      });
    }
    const encode = lineEncoder(spec, uid);
    return createLocalSink((record) => emit(encode(record)));
  }

  #undecoded(source: LocalSource, reader: RecordReader): void {
    this.#undecodable++;
    this.#tell(
      `${reader.place}: ${reader.fault} (source "${source.uid}"): ${sampleOf(reader.text)}`,
    );
  }

  #operatorLetter({ detail, fields }: RegionEvent): void {
    this.#tell(
      `record ${String(fields?.position)}: ${detail}: ${sampleOf(String(fields?.sample))}`,
    );
  }

  #tell(text: string): void {
    if (this.#lettersTold++ < DEAD_LETTERS_TOLD_MAX) this.#ports.note(`Dead letter: ${text}`);
    else if (this.#lettersTold === DEAD_LETTERS_TOLD_MAX + 1) {
      this.#ports.note("More dead letters are counted, not shown");
    }
  }
}

const SAMPLE_CHARACTERS_MAX = 200;

function sampleOf(text: string): string {
  return text.length <= SAMPLE_CHARACTERS_MAX ? text : `${text.slice(0, SAMPLE_CHARACTERS_MAX)}…`;
}

/** The same for every run of a job, so that ids of alarms are. */
function jobIdOf(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 32);
}

function sinkSpecOf(job: BuiltJob, uid: string): SinkSpec {
  const spec = job.operators.get(uid);
  if (spec?.kind === "sink") return spec.sink;
  throw new UserError("operator-kind", `The job has no sink "${uid}"`);
}
