/**
 * An immutable map that shares almost everything with the map it was made from.
 *
 * Pure. A hash array mapped trie (Bagwell, "Ideal Hash Trees", 2001) of 32-way nodes: a put copies a path of a
 * few small arrays, whatever the size. A map state is one value of its entry, so captures, roll-backs and
 * deltas hold for it as for any value. Its order is that of the hashes: equal content, equal order.
 *
 * @module
 */
import { hashOfKey } from "@shared/key_groups.ts";

/** What may be a key of a map state. */
export type MapStateKey = string | number | boolean;

const BITS = 5;
const MASK = (1 << BITS) - 1;
/** Levels that 32 bits of hash are enough for; below them keys of one hash share a bucket. */
const SHIFT_END = 35;
/** Tells numbers and booleans from the texts that they print as. */
const NOT_TEXT = 0x5bd1e995;

interface Leaf {
  readonly kind: "leaf";
  readonly hash: number;
  readonly key: MapStateKey;
  readonly value: unknown;
}

interface Branch {
  readonly kind: "branch";
  readonly bitmap: number;
  readonly nodes: readonly Node[];
}

/** Leaves of one hash, ordered by their keys. */
interface Bucket {
  readonly kind: "bucket";
  readonly leaves: readonly Leaf[];
}

type Node = Leaf | Branch | Bucket;

const EMPTY_BRANCH: Branch = { kind: "branch", bitmap: 0, nodes: [] };

export class PersistentMap {
  static readonly EMPTY = new PersistentMap(EMPTY_BRANCH, 0);
  readonly size: number;
  readonly #root: Branch;

  private constructor(root: Branch, size: number) {
    this.#root = root;
    this.size = size;
  }

  static from(entries: Iterable<readonly [unknown, unknown]>): PersistentMap {
    let map = PersistentMap.EMPTY;
    for (const [key, value] of entries) map = map.put(key as MapStateKey, value);
    return map;
  }

  get(key: MapStateKey): unknown {
    return this.#leaf(key)?.value;
  }

  has(key: MapStateKey): boolean {
    return this.#leaf(key) !== undefined;
  }

  /** The map with `value` under `key`; the same map when it has that already. */
  put(key: MapStateKey, value: unknown): PersistentMap {
    const before = this.#leaf(key);
    if (before !== undefined && Object.is(before.value, value)) return this;
    const leaf: Leaf = { kind: "leaf", hash: hashOf(key), key, value };
    const root = insert(this.#root, leaf, 0);
    return new PersistentMap(root, before === undefined ? this.size + 1 : this.size);
  }

  /** The map without `key`; the same map when it has none. */
  remove(key: MapStateKey): PersistentMap {
    if (!this.has(key)) return this;
    const root = removeFrom(this.#root, { hash: hashOf(key), key }, 0);
    return new PersistentMap(root?.kind === "branch" ? root : EMPTY_BRANCH, this.size - 1);
  }

  /** In the order of the hashes. */
  *[Symbol.iterator](): Generator<[MapStateKey, unknown]> {
    yield* entriesOf(this.#root);
  }

  #leaf(key: MapStateKey): Leaf | undefined {
    const hash = hashOf(key);
    let node: Node = this.#root;
    for (let shift = 0;; shift += BITS) {
      if (node.kind === "leaf") return node.key === key ? node : undefined;
      if (node.kind === "bucket") return node.leaves.find((leaf) => leaf.key === key);
      const bit = bitOf(hash, shift);
      if ((node.bitmap & bit) === 0) return undefined;
      node = node.nodes[indexOf(node.bitmap, bit)]!;
    }
  }
}

function insert(branch: Branch, leaf: Leaf, shift: number): Branch {
  const bit = bitOf(leaf.hash, shift);
  const index = indexOf(branch.bitmap, bit);
  if ((branch.bitmap & bit) === 0) {
    const nodes = branch.nodes.toSpliced(index, 0, leaf);
    return { kind: "branch", bitmap: branch.bitmap | bit, nodes };
  }
  const merged = merge(branch.nodes[index]!, leaf, shift + BITS);
  return { ...branch, nodes: branch.nodes.with(index, merged) };
}

function merge(node: Node, leaf: Leaf, shift: number): Node {
  switch (node.kind) {
    case "branch":
      return insert(node, leaf, shift);
    case "bucket": {
      const others = node.leaves.filter((other) => other.key !== leaf.key);
      return { kind: "bucket", leaves: [...others, leaf].sort(byKey) };
    }
    case "leaf":
      if (node.key === leaf.key) return leaf;
      if (shift >= SHIFT_END) return { kind: "bucket", leaves: [node, leaf].sort(byKey) };
      return insert(insert(EMPTY_BRANCH, node, shift), leaf, shift);
  }
}

function removeFrom(node: Node, at: Pick<Leaf, "hash" | "key">, shift: number): Node | null {
  if (node.kind === "leaf") return null;
  if (node.kind === "bucket") {
    const leaves = node.leaves.filter((leaf) => leaf.key !== at.key);
    return leaves.length === 1 ? leaves[0]! : { kind: "bucket", leaves };
  }
  const bit = bitOf(at.hash, shift);
  const index = indexOf(node.bitmap, bit);
  const left = removeFrom(node.nodes[index]!, at, shift + BITS);
  if (left === null) {
    const nodes = node.nodes.toSpliced(index, 1);
    if (nodes.length === 1 && nodes[0]!.kind !== "branch" && shift > 0) return nodes[0]!;
    return { kind: "branch", bitmap: node.bitmap & ~bit, nodes };
  }
  if (left.kind !== "branch" && node.nodes.length === 1 && shift > 0) return left;
  return { ...node, nodes: node.nodes.with(index, left) };
}

function* entriesOf(node: Node): Generator<[MapStateKey, unknown]> {
  switch (node.kind) {
    case "leaf":
      yield [node.key, node.value];
      return;
    case "bucket":
      for (const leaf of node.leaves) yield [leaf.key, leaf.value];
      return;
    case "branch":
      for (const child of node.nodes) yield* entriesOf(child);
  }
}

function hashOf(key: MapStateKey): number {
  return typeof key === "string" ? hashOfKey(key) : (hashOfKey(String(key)) ^ NOT_TEXT) >>> 0;
}

function bitOf(hash: number, shift: number): number {
  return 1 << ((shift >= 32 ? 0 : hash >>> shift) & MASK);
}

/** How many of the bits below `bit` are set. */
function indexOf(bitmap: number, bit: number): number {
  let rest = bitmap & (bit - 1);
  rest -= (rest >>> 1) & 0x55555555;
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function byKey(a: Leaf, b: Leaf): number {
  const [left, right] = [`${typeof a.key}${a.key}`, `${typeof b.key}${b.key}`];
  return left < right ? -1 : left > right ? 1 : 0;
}
