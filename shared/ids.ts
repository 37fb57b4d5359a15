/**
 * Identities and counters that both sides agree on.
 *
 * Pure. A brand costs nothing at run time; it keeps a checkpoint id from being passed as an attempt.
 *
 * @module
 */
declare const brand: unique symbol;
/** Nominal typing for ids and counters: `Brand<number, "CheckpointId">`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Checkpoint number within one job: starts at 1, strictly increases, never reused (F1). */
export type CheckpointId = Brand<number, "CheckpointId">;
/** Run number of a region, the fencing token: starts at 1, only grows (F1). */
export type Attempt = Brand<number, "Attempt">;
/** Number of a hub's reign over the database: raised at each hub start (F1, F2). */
export type HubTerm = Brand<number, "HubTerm">;
/** Index of an input channel of one subtask: `0 <= index < channelCount`. */
export type ChannelIndex = Brand<number, "ChannelIndex">;

/** UUIDv7 text. */
export type JobId = Brand<string, "JobId">;
/** UUIDv7 text. */
export type AgentId = Brand<string, "AgentId">;
/** `<source uid>.<split index>` within a job: a connected component of the plan. */
export type RegionId = Brand<string, "RegionId">;
/** `<source uid>.<split index>` today: one parallel instance of a chain of operators. */
export type SubtaskId = Brand<string, "SubtaskId">;
/** Lower-case hex SHA-256 of a blob's bytes; also its name in the object store. */
export type Digest = Brand<string, "Digest">;

/** Names a person chooses (jobs, agents, brokers) and operator uids: safe in paths, topics and labels. */
export const NAME_PATTERN: RegExp = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/;
/** Operator uids may also hold upper case, `_` and `.`; never a path separator or an MQTT wildcard. */
export const UID_PATTERN: RegExp = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
export const DIGEST_PATTERN: RegExp = /^[0-9a-f]{64}$/;
