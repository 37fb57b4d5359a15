/**
 * How far an operation is: a bar that is drawn over at a terminal, a line for each change elsewhere.
 *
 * Touches stderr and a timer, which lets the seconds run while nothing else changes.
 *
 * @module
 */
import type { OperationView } from "@shared/api.ts";
import { draw, isProgressTerminal, note } from "./terminal.ts";

const BAR_WIDTH = 24;
const REDRAW_MS = 500;

type Step = OperationView["progress"];

export interface Progress {
  show(step: Step): void;
  /** Leaves the last state standing as a line. */
  close(): void;
}

export function openProgress(kind: string, options: { readonly isQuiet: boolean }): Progress {
  if (options.isQuiet) return { show() {}, close() {} };
  return isProgressTerminal() ? drawnProgress(kind) : lineProgress(kind);
}

function lineProgress(kind: string): Progress {
  let shown = "";
  return {
    show({ done, total, phase }) {
      const line = total > 0 ? `${phase} (${done}/${total})` : phase;
      if (line !== shown) note(`${kind}: ${line}`);
      shown = line;
    },
    close() {},
  };
}

function drawnProgress(kind: string): Progress {
  const startMs = performance.now();
  let last: Step | null = null;
  const redraw = () => {
    if (last === null) return;
    draw(`\r\x1b[K${barLine(kind, last, (performance.now() - startMs) / 1000)}`);
  };
  const timer = setInterval(redraw, REDRAW_MS);
  return {
    show(step) {
      last = step;
      redraw();
    },
    close() {
      clearInterval(timer);
      if (last === null) return;
      redraw();
      draw("\n");
    },
  };
}

/** `rollback [########        ] 3/9 restoring, 12 s`. Pure. */
export function barLine(kind: string, { done, total, phase }: Step, seconds: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = "#".repeat(filled) + ".".repeat(BAR_WIDTH - filled);
  const count = total > 0 ? ` ${done}/${total}` : "";
  return `${kind} [${bar}]${count} ${phase}, ${Math.floor(seconds)} s`;
}
