/// <reference lib="dom" />
/**
 * Whether the page moves with the hub: live, reconnecting, quiet or paused, and how old what it shows is.
 *
 * @module
 */
import { durationText } from "../format.ts";
import { useServices } from "../state/services.ts";
import { Badge } from "./marks.tsx";
import { PauseButton } from "./time_range.tsx";

/** No sign of life for this long is said, though the connection stands. */
const QUIET_AFTER_MS = 20_000;

export function LiveBadge() {
  return (
    <span class="live" role="group" aria-label="Live updates">
      <LiveState />
      <PauseButton />
    </span>
  );
}

function LiveState() {
  const { clock, now, stream } = useServices();
  const state = stream.state.value;
  const seenMs = stream.lastSeenMs.value;
  // The badge counts on by the ticking clock; the age itself is monotonic.
  const isTicking = now.value > 0;
  const ageMs = seenMs === null || !isTicking ? null : clock.monotonicMs() - seenMs;
  const age = ageMs === null ? "no data yet" : `data is ${durationText(whole(ageMs))} old`;
  if (state !== "live") {
    return <Badge mark={{ tone: "warn", text: `${state} · ${age}` }} />;
  }
  const isQuiet = ageMs !== null && ageMs > QUIET_AFTER_MS;
  return isQuiet
    ? <Badge mark={{ tone: "warn", text: `quiet · ${age}` }} />
    : <Badge mark={{ tone: "calm", text: "live" }} />;
}

function whole(ms: number): number {
  return Math.max(1, Math.round(ms / 1000)) * 1000;
}
