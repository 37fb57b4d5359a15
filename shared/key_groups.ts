/**
 * From key to key group, and key groups as ranges: which part of the keyed state a key belongs to.
 *
 * Pure. The hash is MurmurHash3 x86 32 (Appleby, public domain) with seed 0 over the key's UTF-8 bytes,
 * `KEY_HASH_ID` in every manifest. It is frozen by a golden test: another hash would look for a key's
 * state in the wrong group (S1).
 *
 * @module
 */
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import type { GroupRange } from "@shared/manifest.ts";

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;
const ASCII_MAX = 0x7f;

/** Key group of `key`, `0 <= group < KEY_GROUP_COUNT`. */
export function keyGroupOf(key: string): number {
  return hashOfKey(key) % KEY_GROUP_COUNT;
}

/** Unsigned 32-bit hash of the key's UTF-8 bytes. */
export function hashOfKey(key: string): number {
  const length = key.length;
  let hash = 0;
  let block = 0;
  for (let i = 0; i < length; i++) {
    const code = key.charCodeAt(i);
    if (code > ASCII_MAX) return hashOfBytes(new TextEncoder().encode(key));
    block |= code << ((i & 3) << 3);
    if ((i & 3) === 3) {
      hash = mixBlock(hash, block);
      block = 0;
    }
  }
  return finish(hash, block, length);
}

function hashOfBytes(bytes: Uint8Array): number {
  let hash = 0;
  let block = 0;
  for (let i = 0; i < bytes.length; i++) {
    block |= bytes[i]! << ((i & 3) << 3);
    if ((i & 3) === 3) {
      hash = mixBlock(hash, block);
      block = 0;
    }
  }
  return finish(hash, block, bytes.length);
}

function mixBlock(hash: number, block: number): number {
  let mixed = hash ^ scramble(block);
  mixed = (mixed << 13) | (mixed >>> 19);
  return (Math.imul(mixed, 5) + 0xe6546b64) | 0;
}

function scramble(block: number): number {
  const product = Math.imul(block, C1);
  return Math.imul((product << 15) | (product >>> 17), C2);
}

/** `tail` holds the last `byteLength % 4` bytes; 0 when there are none, which changes nothing. */
function finish(hash: number, tail: number, byteLength: number): number {
  let mixed = hash ^ scramble(tail) ^ byteLength;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Sorted, disjoint, maximal ranges that hold exactly `groups`, which come in ascending order. */
export function rangesOf(groups: readonly number[]): GroupRange[] {
  const ranges: [number, number][] = [];
  for (const group of groups) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === group) last[1] = group;
    else ranges.push([group, group]);
  }
  return ranges;
}

/** Every group in `ranges`, in their order. Both ends belong to a range. */
export function groupsOf(ranges: readonly GroupRange[]): number[] {
  const groups: number[] = [];
  for (const [from, to] of ranges) {
    for (let group = from; group <= to; group++) groups.push(group);
  }
  return groups;
}
