/// <reference lib="dom" />
/**
 * The last checkpoints as bars, oldest left: as high as they took long, failed ones crossed and coloured.
 *
 * The history below says the same in words; the bars are a way to find the odd one at a glance.
 *
 * @module
 */
import type { CheckpointView } from "@shared/job_api.ts";
import { durationText } from "../format.ts";
import { niceEnd } from "./phase_strip.tsx";

const BARS = 60;
const HEIGHT_PX = 84;
/** A bar of almost nothing still shows. */
const BAR_MIN_PX = 3;

export interface CheckpointStripProps {
  /** Newest first. */
  readonly checkpoints: readonly CheckpointView[];
  readonly opened: string | null;
  readonly href: (id: number) => string;
}

export function CheckpointStrip(props: CheckpointStripProps) {
  const shown = props.checkpoints.slice(0, BARS).reverse();
  if (shown.length === 0) return null;
  const failed = shown.filter((one) => isFailed(one.status)).length;
  const longestMs = Math.max(...shown.map((one) => one.durationMs ?? 0));
  const endMs = niceEnd(longestMs);
  return (
    <figure class="checkpoint-strip">
      <figcaption>
        The last {shown.length}: longest {durationText(longestMs)}
        {failed === 0 ? ", none failed" : `, ${failed} failed`}
      </figcaption>
      <div class="checkpoint-bars" aria-hidden="true">
        <span class="checkpoint-scale">{durationText(endMs)}</span>
        {shown.map((one) => (
          <a
            key={one.id}
            href={props.href(one.id)}
            tabIndex={-1}
            class={barClass(one, props.opened)}
            title={`${one.id}: ${one.status}, ${durationText(one.durationMs)}`}
          >
            {isFailed(one.status) ? <span class="checkpoint-cross">×</span> : null}
            <span style={{ height: `${barPx(one, endMs)}px` }} />
          </a>
        ))}
      </div>
    </figure>
  );
}

export function isFailed(status: string): boolean {
  return status === "aborted";
}

function barPx(one: CheckpointView, endMs: number): number {
  return Math.max(BAR_MIN_PX, ((one.durationMs ?? 0) / endMs) * HEIGHT_PX);
}

function barClass(one: CheckpointView, opened: string | null): string {
  const kind = isFailed(one.status)
    ? " is-failed"
    : one.status === "degraded"
    ? " is-degraded"
    : one.status === "pending"
    ? " is-pending"
    : one.isSavepoint
    ? " is-savepoint"
    : "";
  return `checkpoint-bar${kind}${String(one.id) === opened ? " is-open" : ""}`;
}
