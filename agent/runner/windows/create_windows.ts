/**
 * Makes the windows that a specification asks for.
 *
 * Pure.
 *
 * @module
 */
import type { AggregateSpec, WindowsSpec } from "@shared/sdk/window_spec.ts";
import { CountWindows } from "./count_windows.ts";
import { GlobalWindows } from "./global_windows.ts";
import { PaneWindows } from "./pane_windows.ts";
import { SessionWindows } from "./session_windows.ts";
import { StateWindows } from "./state_windows.ts";
import type { WindowPlace, Windows } from "./windows.ts";

export interface WindowsOptions {
  readonly windows: WindowsSpec;
  readonly aggregate: AggregateSpec;
  readonly allowedLatenessMs: number;
  /** False when an accumulator grows with its records, so that keeping sums of them would cost more than it saves. */
  readonly keepsSums: boolean;
}

export function createWindows(options: WindowsOptions, place: WindowPlace): Windows {
  const { windows, aggregate, allowedLatenessMs, keepsSums } = options;
  switch (windows.kind) {
    case "time":
      return new PaneWindows({ windows, aggregate, allowedLatenessMs, keepsSums }, place);
    case "session":
      return new SessionWindows({ gapMs: windows.gapMs, aggregate, allowedLatenessMs }, place);
    case "count":
      return new CountWindows({ size: windows.size, slide: windows.slide, aggregate }, place);
    case "global":
      return new GlobalWindows({ trigger: windows.trigger, aggregate }, place);
    case "state":
      return new StateWindows({ condition: windows.condition, aggregate }, place);
  }
}
