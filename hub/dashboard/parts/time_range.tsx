/// <reference lib="dom" />
/**
 * Chooses the span of time that a view shows, and the zone in which times are written.
 *
 * Touches the address of the page: range and zone are choices in its query, nowhere else.
 *
 * @module
 */
import { useRef, useState } from "preact/hooks";
import { useServices } from "../state/services.ts";
import { Choice } from "./choice.tsx";
import type { Moment } from "./subtask_figures.ts";
import {
  absoluteRange,
  choicesOf,
  inputText,
  instantOf,
  rangeText,
  RELATIVE_RANGES,
  type RelativeName,
  relativeRange,
  shifted,
  type Span,
  SPAN_MIN_MS,
  spanOf,
  type TimeRange,
  timeRangeOf,
  widened,
  type Zone,
  zoneOf,
} from "./time_span.ts";

export interface ChosenTime {
  readonly range: TimeRange;
  readonly zone: Zone;
  /** Names the range: changes when another one is chosen, not as time goes on. */
  readonly key: string;
  /** The instants shown when it is now `nowMs`. */
  spanAt(nowMs: number): Span;
  choose(range: TimeRange): void;
}

/** Range and zone as the address says; `usual` where it says nothing. To be called while rendering. */
export function useTimeRange(usual: RelativeName): ChosenTime {
  const { router } = useServices();
  const { query } = router.route.value;
  const range = timeRangeOf(query, usual);
  return {
    range,
    zone: zoneOf(query["tz"]),
    key: range.kind === "relative" ? range.name : `${range.fromMs}-${range.toMs}`,
    spanAt: (nowMs) => spanOf(range, nowMs),
    choose: (next) => router.choose(choicesOf(next)),
  };
}

/** The hub's time, which stands still while the page is paused. To be called while rendering. */
export function useShownNow(): number {
  const { now, stream } = useServices();
  const isPaused = stream.state.value === "paused";
  const shown = useRef(now.peek());
  if (!isPaused) shown.current = now.value;
  return shown.current;
}

/** What is known of subtasks now; stands still while the page is paused. To be called while rendering. */
export function useMoment(): Moment {
  const { clock, live, stream } = useServices();
  const nowMs = useShownNow();
  const isPaused = stream.state.value === "paused";
  const monotonicMs = useRef(clock.monotonicMs());
  if (!isPaused) monotonicMs.current = clock.monotonicMs();
  return { nowMs, monotonicMs: monotonicMs.current, live: live.subtasks.value };
}

export interface TimeRangeProps {
  readonly time: ChosenTime;
  /** Fetches what is shown once more; left out where the view has nothing to fetch. */
  readonly onRefresh?: () => void;
}

/** The row of controls above what `time` governs. */
export function TimeRangePicker(props: TimeRangeProps) {
  const { now } = useServices();
  const { time } = props;
  const [isOpen, setOpen] = useState(false);
  const isAbsolute = time.range.kind === "absolute";
  const change = (next: (span: Span) => TimeRange) => time.choose(next(time.spanAt(now.peek())));
  return (
    <div class="time-range" role="group" aria-label="Time range">
      <Choice<RelativeName | "custom">
        legend="Last"
        name="range"
        options={[
          ...RELATIVE_RANGES.map(({ name, text }) => ({ value: name, text })),
          ...isAbsolute ? [{ value: "custom", text: "Fixed" } as const] : [],
        ]}
        chosen={time.range.kind === "relative" ? time.range.name : "custom"}
        onChoose={(name) => name === "custom" ? undefined : time.choose(relativeRange(name))}
      />
      <span class="time-range-steps">
        <StepButton sign="‹" name="Earlier" onPress={() => change((span) => shifted(span, -0.5))} />
        <StepButton
          sign="−"
          name="Longer span"
          onPress={() => change((span) => widened(span, 2))}
        />
        <StepButton
          sign="+"
          name="Shorter span"
          onPress={() => change((span) => widened(span, 0.5))}
        />
        <StepButton sign="›" name="Later" onPress={() => change((span) => shifted(span, 0.5))} />
      </span>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        From – to
      </button>
      <ZoneChoice zone={time.zone} />
      <Refreshing onRefresh={props.onRefresh} />
      <ShareLink time={time} />
      {isOpen ? <SpanForm key={`${time.key} ${time.zone}`} time={time} /> : null}
      {isAbsolute ? <p class="time-range-shown">{rangeText(time.range, time.zone)}</p> : null}
    </div>
  );
}

function StepButton(
  props: { readonly sign: string; readonly name: string; readonly onPress: () => void },
) {
  return (
    <button type="button" aria-label={props.name} title={props.name} onClick={props.onPress}>
      {props.sign}
    </button>
  );
}

function ZoneChoice(props: { readonly zone: Zone }) {
  const { router } = useServices();
  return (
    <Choice<Zone>
      legend="Time zone"
      name="zone"
      options={[{ value: "local", text: "Local" }, { value: "utc", text: "UTC" }]}
      chosen={props.zone}
      onChoose={(zone) => router.choose({ tz: zone === "utc" ? zone : null })}
    />
  );
}

function Refreshing(props: { readonly onRefresh: (() => void) | undefined }) {
  return (
    <>
      {props.onRefresh === undefined
        ? null
        : <button type="button" onClick={props.onRefresh}>Refresh</button>}
      <PauseButton />
    </>
  );
}

/** Holds the page still, and lets it go on. */
export function PauseButton() {
  const { stream } = useServices();
  const isPaused = stream.state.value === "paused";
  return (
    <button
      type="button"
      aria-pressed={isPaused}
      onClick={() => isPaused ? stream.resume() : stream.pause()}
    >
      {isPaused ? "Resume" : "Pause"}
    </button>
  );
}

/** Copies an address that shows the same instants to everybody, also later. */
function ShareLink(props: { readonly time: ChosenTime }) {
  const { now, router, toasts } = useServices();
  const [shown, setShown] = useState<string | null>(null);
  const share = async () => {
    const { time } = props;
    const address = new URL(globalThis.location.href);
    const fixed = choicesOf(absoluteRange(time.spanAt(now.peek())));
    for (const [name, value] of Object.entries({ ...router.route.peek().query, ...fixed })) {
      if (value === null) address.searchParams.delete(name);
      else address.searchParams.set(name, value);
    }
    try {
      await globalThis.navigator.clipboard.writeText(address.href);
      toasts.done("Link to this span was copied.");
    } catch {
      // Browsers give no clipboard to pages served over plain http.
      setShown(address.href);
    }
  };
  return (
    <>
      <button type="button" onClick={() => void share()}>Copy link</button>
      {shown === null ? null : (
        <label class="field inline time-range-link">
          <span>Link</span>
          <input
            type="text"
            readOnly
            value={shown}
            onFocus={(event) => event.currentTarget.select()}
          />
        </label>
      )}
    </>
  );
}

function SpanForm(props: { readonly time: ChosenTime }) {
  const { now } = useServices();
  const { time } = props;
  const [start] = useState(() => time.spanAt(now.peek()));
  const [from, setFrom] = useState(inputText(start.fromMs, time.zone));
  const [to, setTo] = useState(inputText(start.toMs, time.zone));
  const [failure, setFailure] = useState<string | null>(null);
  const apply = (event: Event) => {
    event.preventDefault();
    const fromMs = instantOf(from, time.zone);
    const toMs = instantOf(to, time.zone);
    if (fromMs === null || toMs === null) {
      setFailure("Fill in both times.");
    } else if (toMs - fromMs < SPAN_MIN_MS) {
      setFailure("The end has to come after the start.");
    } else {
      setFailure(null);
      time.choose(absoluteRange({ fromMs, toMs }));
    }
  };
  const zone = time.zone === "utc" ? " (UTC)" : "";
  return (
    <form class="time-range-form" onSubmit={apply}>
      <TimeField label={`From${zone}`} value={from} onChange={setFrom} />
      <TimeField label={`To${zone}`} value={to} onChange={setTo} />
      <button type="submit">Show</button>
      {failure === null ? null : <p role="alert">{failure}</p>}
    </form>
  );
}

function TimeField(
  props: {
    readonly label: string;
    readonly value: string;
    readonly onChange: (value: string) => void;
  },
) {
  return (
    <label class="field inline">
      <span>{props.label}</span>
      <input
        type="datetime-local"
        step="1"
        value={props.value}
        onInput={(event) => props.onChange(event.currentTarget.value)}
      />
    </label>
  );
}
