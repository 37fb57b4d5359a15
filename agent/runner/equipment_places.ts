/**
 * Gathers where equipment stands in the plant, for the hub's tree.
 *
 * Pure but for the author's `path`. Each piece is told once, and again when the hub may have missed it. Bounded:
 * of more keys, or topics, than `PLACES_MAX` the further ones have no place.
 *
 * @module
 */
import type { EquipmentPlace, SignalSample } from "@shared/messages.ts";
import { type EquipmentSpec, LEVELS_MAX, placeOfTopic } from "@shared/sdk/equipment.ts";

const PLACES_MAX = 100_000;
const LEVEL_CHARS_MAX = 200;
/** Equipment with a longer key has no place. */
const KEY_CHARS_MAX = 4_096;

export class EquipmentPlaces {
  readonly #spec: EquipmentSpec | null;
  /** Topics, or keys, that were looked at. */
  readonly #seen = new Set<string>();
  #fresh: EquipmentPlace[] = [];

  constructor(spec: EquipmentSpec | null) {
    this.#spec = spec;
  }

  /** Takes a message's topic; null when topics tell nothing about places. */
  get topicSeen(): ((topic: string) => void) | null {
    const template = this.#spec?.topic ?? null;
    if (template === null) return null;
    return (topic) => {
      if (!this.#isNew(topic)) return;
      const place = placeOfTopic(topic, template);
      if (place !== null) this.#add(place.key, place.path);
    };
  }

  /** Takes the keys of signals, where the author says the place of a key. */
  signalsSeen(samples: readonly SignalSample[]): void {
    const path = this.#spec?.path ?? null;
    if (path === null) return;
    for (const { key } of samples) {
      if (!this.#isNew(key)) continue;
      try {
        this.#add(key, path(key));
      } catch {
        // Stated: a key for which `path` throws has no place.
      }
    }
  }

  /** Places found since the last call. */
  take(): EquipmentPlace[] {
    const fresh = this.#fresh;
    if (fresh.length > 0) this.#fresh = [];
    return fresh;
  }

  /** What is seen from now on is told, though it was told before. */
  tellAgain(): void {
    this.#seen.clear();
  }

  #isNew(name: string): boolean {
    if (this.#seen.has(name) || this.#seen.size >= PLACES_MAX) return false;
    this.#seen.add(name);
    return true;
  }

  /** A place with a level that is nothing is none. */
  #add(key: string, path: readonly unknown[]): void {
    const levels = path.slice(0, LEVELS_MAX).map((level) =>
      String(level ?? "").slice(0, LEVEL_CHARS_MAX)
    );
    const isPlace = key.length <= KEY_CHARS_MAX && levels.every((level) => level !== "");
    if (isPlace) this.#fresh.push({ key, path: levels });
  }
}
