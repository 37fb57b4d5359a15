/// <reference lib="dom" />
/**
 * A figure over the last while, as small as a word; the table beside it says what it is now.
 *
 * @module
 */
import type { MetricSeries } from "@shared/job_api.ts";
import { NONE, valueText } from "../format.ts";

const WIDTH = 96;
const HEIGHT = 22;

export function Sparkline(props: { readonly series: MetricSeries | null }) {
  const { series } = props;
  if (series === null) return <span>{NONE}</span>;
  const values = series.value.filter((value) => value !== null);
  if (values.length < 2) return <span>{NONE}</span>;
  const low = Math.min(...values);
  const high = Math.max(...values);
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={`from ${valueText(low)} to ${valueText(high)}`}
    >
      <path d={sparkPath(series.at, series.value, { width: WIDTH, height: HEIGHT })} />
    </svg>
  );
}

/** A line through the values from lowest to highest; a null begins it anew. */
export function sparkPath(
  at: readonly number[],
  value: readonly (number | null)[],
  box: { readonly width: number; readonly height: number },
): string {
  const known = value.filter((one) => one !== null);
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const start = at[0] ?? 0;
  const length = (at.at(-1) ?? start) - start;
  let isOpen = false;
  const steps: string[] = [];
  for (const [index, one] of value.entries()) {
    if (one === null) {
      isOpen = false;
      continue;
    }
    const x = length === 0 ? 0 : ((at[index]! - start) / length) * box.width;
    // A flat line stands in the middle.
    const height = span === 0 ? 0.5 : (one - low) / span;
    const y = 1 + (1 - height) * (box.height - 2);
    steps.push(`${isOpen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`);
    isOpen = true;
  }
  return steps.join("");
}
