/// <reference lib="dom" />
/**
 * Whether something is of now: good without emphasis, stale and unknown each with a shape and a word.
 *
 * @module
 */
import type { Freshness } from "@shared/plant_api.ts";

const SIGN: Readonly<Record<Freshness, string>> = {
  good: "M8 4A4 4 0 1 1 8 12A4 4 0 1 1 8 4Z",
  /** An hour-glass. */
  stale: "M4 2H12L8 8L12 14H4L8 8Z",
  /** An empty ring, dashed. */
  unknown: "M8 2A6 6 0 1 1 8 14A6 6 0 1 1 8 2Z",
};

export function FreshnessSign(props: { readonly freshness: Freshness }) {
  return (
    <svg
      class={`fresh-sign fresh-${props.freshness}`}
      viewBox="0 0 16 16"
      width="14"
      height="14"
      aria-hidden="true"
    >
      <path d={SIGN[props.freshness]} />
    </svg>
  );
}

/** The sign with its word; `age` says more. */
export function FreshnessMark(
  props: { readonly freshness: Freshness; readonly age?: string },
) {
  const { freshness, age } = props;
  return (
    <span class={`freshness freshness-${freshness}`}>
      <FreshnessSign freshness={freshness} />
      <span>{freshness === "good" && age !== undefined ? "" : freshness}</span>
      {age === undefined ? null : <span class="muted">{age}</span>}
    </span>
  );
}
