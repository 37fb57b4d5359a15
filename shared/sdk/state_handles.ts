/**
 * What an author's function sees of the states it declared: those of the current key.
 *
 * Pure types; the runner makes the handles. What is read is immutable: to change state is to write it anew.
 * Handles are good while the function runs that got them.
 *
 * @module
 */

/** What may be a key of a map state. */
export type MapKey = string | number | boolean;

/** One value. */
export interface ValueStateHandle<Value> {
  /** The value last set, or undefined when there is none. */
  get(): Value | undefined;
  /** Replaces the value. */
  set(value: Value): void;
  /** Forgets the value: `get` answers undefined again. */
  clear(): void;
}

/** A list. */
export interface ListStateHandle<Item> {
  /** All items, in the order they were added; a copy. */
  get(): readonly Item[];
  /** Adds one item at the end. */
  add(item: Item): void;
  /** Adds all items at the end. */
  addAll(items: Iterable<Item>): void;
  /** Replaces all items. */
  update(items: Iterable<Item>): void;
  /** Forgets all items. */
  clear(): void;
}

/** A map. */
export interface MapStateHandle<Key extends MapKey, Value> {
  /** The value of `key`, or undefined when there is none. */
  get(key: Key): Value | undefined;
  contains(key: Key): boolean;
  /** @throws {TypeError} If the key is not a text, a boolean or a number other than NaN. */
  put(key: Key, value: Value): void;
  /** Nothing happens when there is no such key. */
  remove(key: Key): void;
  entries(): IterableIterator<readonly [Key, Value]>;
  keys(): IterableIterator<Key>;
  values(): IterableIterator<Value>;
  /** How many keys it has. */
  readonly size: number;
  readonly isEmpty: boolean;
  /** Forgets all entries. */
  clear(): void;
}

/** A value that all that is added was folded into. */
export interface ReducingStateHandle<Value> {
  /** What was added, as one value, or undefined when there is nothing. */
  get(): Value | undefined;
  add(value: Value): void;
  /** Forgets what was added. */
  clear(): void;
}

/** What all that was added comes to. */
export interface AggregatingStateHandle<In, Out> {
  /** The result over what was added, or undefined when there is nothing. */
  get(): Out | undefined;
  add(value: In): void;
  /** Forgets what was added. */
  clear(): void;
}
