/**
 * The SDK: what job authors import as "penstock".
 *
 * Pure: a job is a description; the agent's runner carries it out.
 *
 * @module
 */
export { defineJob, type JobBuilder, type JobParams } from "./job.ts";
export type { KeyedStream, Stream } from "./stream_interface.ts";
export {
  type AnyFields,
  type BroadcastContext,
  type BroadcastStream,
  type BroadcastValues,
  type Key,
  type OperatorOptions,
  type ProcessContext,
  type ProcessOptions,
  type RecordType,
  recordType,
  type StateOptions,
  type TimerDomain,
  type Timers,
  type WritableBroadcastValues,
} from "./process.ts";
export { type DeadLetter, deadLetters, type SideOutput, sideOutput } from "./side_output.ts";
export type { SourceTimeOptions } from "./source_time.ts";
export {
  type AggregatingState,
  aggregatingState,
  type ListState,
  listState,
  type MapState,
  mapState,
  type ReducingState,
  reducingState,
  type StateAggregate,
  type StateDeclarations,
  type StateHandles,
  type StateKindOptions,
  type StateMigrations,
  type TtlRefresh,
  type ValueState,
  valueState,
} from "./state.ts";
export type {
  AggregatingStateHandle,
  ListStateHandle,
  MapKey,
  MapStateHandle,
  ReducingStateHandle,
  ValueStateHandle,
} from "./state_handles.ts";
export {
  generatorSource,
  type GeneratorSourceOptions,
  mqttSource,
  type MqttSourceOptions,
  type Source,
  type SplitOptions,
} from "./source.ts";
export {
  alarmSink,
  type AlarmSinkOptions,
  mqttSink,
  type MqttSinkOptions,
  type Sink,
} from "./sink.ts";
export {
  type FileFormat,
  fileSink,
  type FileSinkOptions,
  fileSource,
  type FileSourceOptions,
} from "./file.ts";
export type { Duration } from "./duration.ts";
export type { Anomaly, Detector, ErrorPolicy, ExpectedRange, JobDefinition } from "./operator.ts";
export type { Direction, VerdictOptions } from "@shared/operators/detector_options.ts";
export { cusum, type CusumOptions, type CusumState } from "@shared/operators/cusum.ts";
export {
  ewmaChart,
  type EwmaChartOptions,
  type EwmaChartState,
} from "@shared/operators/ewma_chart.ts";
export {
  halfSpaceTrees,
  type HalfSpaceTreesOptions,
  type HalfSpaceTreesState,
} from "@shared/operators/half_space_trees.ts";
export {
  healthyBaseline,
  type HealthyBaselineOptions,
  type HealthyBaselineState,
} from "@shared/operators/healthy_baseline.ts";
export {
  holtWinters,
  type HoltWintersOptions,
  type HoltWintersState,
} from "@shared/operators/holt_winters.ts";
export {
  jointZScore,
  type JointZScoreOptions,
  type JointZScoreState,
  type SignalState,
} from "@shared/operators/joint_z_score.ts";
export { limit, type LimitOptions, type LimitState } from "@shared/operators/limit.ts";
export {
  pageHinkley,
  type PageHinkleyOptions,
  type PageHinkleyState,
} from "@shared/operators/page_hinkley.ts";
export {
  pcaMonitor,
  type PcaMonitorOptions,
  type PcaMonitorState,
} from "@shared/operators/pca_monitor.ts";
export {
  rateOfChange,
  type RateOfChangeOptions,
  type RateOfChangeState,
} from "@shared/operators/rate_of_change.ts";
export { robustZ, type RobustZOptions, type RobustZState } from "@shared/operators/robust_z.ts";
export {
  seasonalLikelihood,
  type SeasonalLikelihoodOptions,
  type SeasonalLikelihoodState,
} from "@shared/operators/seasonal_likelihood.ts";
export type { Signals } from "@shared/operators/signals.ts";
export { stuckAt, type StuckAtOptions, type StuckAtState } from "@shared/operators/stuck_at.ts";
export { zScore, type ZScoreOptions, type ZScoreState } from "@shared/operators/z_score.ts";
export {
  type AggregateOptions,
  count,
  everyCount,
  everyEventTime,
  everyProcessingTime,
  global,
  type ReduceOptions,
  session,
  sliding,
  stateWindow,
  type Trigger,
  triggerOn,
  tumbling,
  type WindowAssigner,
  type WindowOptions,
} from "./window.ts";
export type { TriggerAnswer, Window } from "./window_spec.ts";
export type {
  Interval,
  IntervalJoinOptions,
  LookupJoinOptions,
  TableJoinOptions,
  WindowJoinOptions,
} from "./join.ts";
