/// <reference lib="dom" />
/**
 * Light or dark: as the system says until a person chooses; the choice is kept in the browser.
 *
 * Touches the attribute `data-theme` of the document and the storage it is given.
 *
 * @module
 */
import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";

export type ThemeChoice = "system" | "light" | "dark";

export interface Theme {
  readonly choice: ReadonlySignal<ThemeChoice>;
  /** What is shown after all. */
  readonly shown: ReadonlySignal<"light" | "dark">;
  choose(choice: ThemeChoice): void;
}

export const THEME_CHOICES: readonly ThemeChoice[] = ["system", "light", "dark"];
const STORAGE_KEY = "penstock.theme";

export function createTheme(window: Window): Theme {
  const choice = signal<ThemeChoice>(readChoice(window));
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
  const isSystemDark = signal(systemIsDark.matches);
  systemIsDark.addEventListener("change", (event) => isSystemDark.value = event.matches);
  const shown = computed(() => {
    if (choice.value !== "system") return choice.value;
    return isSystemDark.value ? "dark" : "light";
  });
  effect(() => {
    window.document.documentElement.dataset["theme"] = shown.value;
  });
  return {
    choice,
    shown,
    choose(next) {
      choice.value = next;
      try {
        window.localStorage.setItem(STORAGE_KEY, next);
      } catch {
        // Storage may be switched off; the choice then lasts as long as the page.
      }
    },
  };
}

function readChoice(window: Window): ThemeChoice {
  try {
    const stored = window.localStorage.getItem(STORAGE_KEY);
    return THEME_CHOICES.find((known) => known === stored) ?? "system";
  } catch {
    return "system";
  }
}
