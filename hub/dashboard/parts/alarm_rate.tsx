/// <reference lib="dom" />
/**
 * How many alarms rang in each ten minutes, against what one person can answer (EEMUA 191).
 *
 * @module
 */
import type { AlarmHealth } from "@shared/plant_api.ts";
import { Time } from "./marks.tsx";
import { Table } from "./table.tsx";

/** What one operator can manage for long, and at most in an upset, in ten minutes. */
export const RATE_MANAGEABLE = 1;
export const RATE_FLOOD = 10;

const WIDTH = 1000;
const HEIGHT = 180;
const BOTTOM = 4;

export function AlarmRateChart(props: { readonly spans: AlarmHealth["perTenMinutes"] }) {
  const { spans } = props;
  const highest = Math.max(RATE_FLOOD + 2, ...spans.map(({ count }) => count));
  const plotHeight = HEIGHT - BOTTOM - 8;
  const toY = (count: number) => 8 + plotHeight * (1 - count / highest);
  const step = WIDTH / Math.max(1, spans.length);
  return (
    <figure class="alarm-rate">
      <figcaption class="muted">
        Alarms in each ten minutes; lines at {RATE_MANAGEABLE} (manageable) and {RATE_FLOOD} (flood)
      </figcaption>
      <div class="rate-plot">
        {[RATE_MANAGEABLE, RATE_FLOOD].map((rate) => (
          <span key={rate} class="rate-label" style={{ top: `${toY(rate)}px` }} aria-hidden="true">
            {rate}
          </span>
        ))}
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" preserveAspectRatio="none">
          {spans.map(({ at, count }, index) => (
            <rect
              key={at}
              class={rateClass(count)}
              x={(index + 0.1) * step}
              width={Math.max(0.5, step * 0.8)}
              y={toY(count)}
              height={Math.max(0, HEIGHT - BOTTOM - toY(count))}
            />
          ))}
          {[RATE_MANAGEABLE, RATE_FLOOD].map((rate) => (
            <line key={rate} class="rate-line" x1={0} x2={WIDTH} y1={toY(rate)} y2={toY(rate)} />
          ))}
        </svg>
      </div>
      <RateLabels spans={spans} />
      <details class="alternative">
        <summary>As a table</summary>
        <Table<AlarmHealth["perTenMinutes"][number]>
          caption="Ten minutes in which alarms rang"
          rows={spans.filter(({ count }) => count > 0).toReversed()}
          rowKey={({ at }) => at}
          empty="No alarm rang."
          columns={[
            { header: "From", cell: ({ at }) => <Time at={at} /> },
            { header: "Alarms", isNumeric: true, cell: ({ count }) => count },
          ]}
        />
      </details>
    </figure>
  );
}

function rateClass(count: number): string {
  if (count >= RATE_FLOOD) return "rate-flood";
  return count > RATE_MANAGEABLE ? "rate-much" : "rate-calm";
}

function RateLabels(props: { readonly spans: AlarmHealth["perTenMinutes"] }) {
  const first = props.spans[0];
  const last = props.spans.at(-1);
  if (first === undefined || last === undefined) return null;
  return (
    <p class="rate-ends muted">
      <Time at={first.at} />
      <Time at={last.at} />
    </p>
  );
}
