/**
 * A recorder of signals over a database, with a clock that the test sets; killed and started again at will.
 */
import { sql } from "drizzle-orm";
import type { Clock } from "@shared/clock.ts";
import type { HubTerm, JobId } from "@shared/ids.ts";
import type { SignalSample } from "@shared/messages.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { type Db, rowsOf } from "../../hub/db/client.ts";
import { takeReign } from "../../hub/db/hub_state_store.ts";
import type { SignalLevel } from "../../hub/db/signal_partitions.ts";
import { SignalHistory } from "../../hub/series/signal_history.ts";
import { SignalRecorder } from "../../hub/series/signal_recorder.ts";
import { recordingLogger } from "./logger.ts";

export const RIG_JOB = "job" as JobId;
const HOUR_MS = 3_600_000;

export class SignalRig {
  nowMs: number;
  retention: Readonly<Record<SignalLevel, number>> = {
    chunk: 24 * HOUR_MS,
    minute: 14 * 24 * HOUR_MS,
    hour: 400 * 24 * HOUR_MS,
  };
  readonly lines = recordingLogger();
  /** Wraps the database of the next recorder. */
  wrapDb: (db: Db) => Db = (db) => db;
  recorder!: SignalRecorder;
  history!: SignalHistory;

  private constructor(readonly db: Db, nowMs: number) {
    this.nowMs = nowMs;
  }

  static async open(db: Db, nowMs: number): Promise<SignalRig> {
    const rig = new SignalRig(db, nowMs);
    await rig.restart();
    return rig;
  }

  /** As after a kill: what was not written is gone. */
  async restart(): Promise<void> {
    const { hubTerm } = await takeReign(this.db, this.#clock, systemRandom);
    this.recorder = this.#recorderOf(hubTerm);
    await this.recorder.start();
    this.history = new SignalHistory({
      db: this.db,
      recorder: this.recorder,
      nowMs: () => this.nowMs,
      retention: () => this.retention,
    });
  }

  record(samples: readonly SignalSample[]): Promise<void> {
    return this.recorder.recordSignals(RIG_JOB, samples);
  }

  /** Everything stored, the numbers of series replaced by their names. */
  async stored(): Promise<Record<SignalLevel, Record<string, unknown>[]>> {
    const read = async (table: string, points: string) =>
      rowsOf(
        await this.db.execute(sql.raw(
          `select s.source, s.subject, extract(epoch from t.at)::float8 as at, n, lowest, highest,
             total, latest, score, low, high${points}
           from ${table} t join series s on s.id = t.series_id order by 1, 2, 3`,
        )),
      );
    return {
      chunk: await read("signal_chunks", ", encode(points, 'hex') as points"),
      minute: await read("signal_minutes", ""),
      hour: await read("signal_hours", ""),
    };
  }

  readonly #clock: Clock = {
    nowMs: () => this.nowMs,
    monotonicMs: () => this.nowMs,
    after: () => () => {},
  };

  #recorderOf(hubTerm: HubTerm): SignalRecorder {
    return new SignalRecorder({
      db: this.wrapDb(this.db),
      clock: this.#clock,
      logger: this.lines.logger,
      hubTerm,
      retention: () => this.retention,
    });
  }
}
