/**
 * The topics of the exchange: `penstock/x/{job}/{region}/{attempt}/{subtask}`.
 *
 * Pure. Each subtask takes frames on a topic of its own, elements of the channels that end in it and credit
 * of those that begin in it, so that a broker's rules can say who may write where. The attempt is part of
 * it (A2): a broker never hands a frame of one attempt to another.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import type { SubtaskId } from "@shared/ids.ts";
import type { ExchangeIdentity } from "./channel_key.ts";

export const EXCHANGE_TOPIC_PREFIX = "penstock/x";

/** A uid and the index behind it; no separator, no wildcard, nothing that a broker keeps for itself. */
const LEVEL_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** @throws {PenstockError} If an id is not one level of a topic. */
export function exchangeTopic(
  { jobId, regionId, attempt }: ExchangeIdentity,
  subtaskId: SubtaskId,
): string {
  const levels = [jobId, regionId, String(attempt), subtaskId];
  const bad = levels.find((level) => !LEVEL_PATTERN.test(level));
  if (bad === undefined) return [EXCHANGE_TOPIC_PREFIX, ...levels].join("/");
  throw new PenstockError(
    `Cannot exchange records under the name "${bad}": want letters, digits, "_", "." and "-"`,
    { code: "exchange-topic-bad", domain: "internal" },
  );
}
