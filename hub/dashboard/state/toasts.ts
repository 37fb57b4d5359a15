/**
 * Short messages about what a person just did; read out by screen readers.
 *
 * @module
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Clock } from "@shared/clock.ts";

export interface Toast {
  readonly id: number;
  readonly kind: "done" | "failed";
  readonly text: string;
}

export interface Toasts {
  readonly shown: ReadonlySignal<readonly Toast[]>;
  done(text: string): void;
  failed(text: string): void;
  dismiss(id: number): void;
}

const SHOWN_MAX = 4;
/** Failures stay until dismissed or pushed out. */
const DONE_SHOWN_MS = 6_000;

export function createToasts(clock: Clock): Toasts {
  const shown = signal<readonly Toast[]>([]);
  let lastId = 0;
  const dismiss = (id: number) => shown.value = shown.value.filter((toast) => toast.id !== id);
  const add = (kind: Toast["kind"], text: string) => {
    const id = ++lastId;
    shown.value = [...shown.value, { id, kind, text }].slice(-SHOWN_MAX);
    if (kind === "done") clock.after(DONE_SHOWN_MS, () => dismiss(id));
  };
  return {
    shown,
    done: (text) => add("done", text),
    failed: (text) => add("failed", text),
    dismiss,
  };
}
