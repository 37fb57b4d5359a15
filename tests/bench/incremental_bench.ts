/**
 * Bytes that incremental checkpoints upload against the encoded size of what changed, at 100,000 keys of
 * which a small random part changes between two checkpoints.
 *
 * Touches this process alone: tables, capture, encoding and packing are the product's, every checkpoint
 * completes. The encoded size is that of a piece with the changed entries and nothing else, compressed as
 * pieces are. Compactions are in the sum. The allowance of 16 kB for each checkpoint is taken off before the
 * ratio.
 *
 * Not measured: the source's section, and blobs that the hub holds already.
 *
 * @module
 */
import type { CheckpointId } from "@shared/ids.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { KeyedState } from "../../agent/state/keyed_state.ts";
import { PiecePacker } from "../../agent/state/piece_codec.ts";
import { encodeSection } from "../../agent/state/snapshot_codec.ts";
import { StateTable } from "../../agent/state/state_table.ts";

const KEY_COUNT = 100_000;
/** Shares of the keys that change between two checkpoints, each a run of its own. */
const SHARES = [0.001, 0.01, 0.03, 0.2];
const CHECKPOINTS = 150;
const ALLOWANCE_BYTES = 16_000;
const SEED = 7;

type Change = readonly [key: string, value: Counter];

interface Counter {
  readonly n: number;
  readonly mean: number;
}

/** Runs the benchmark; the figure is the worst of the shares. */
export function benchIncremental(
  note: (line: string) => void = () => {},
): { incrementalBytesRatio: number } {
  const ratios = SHARES.map((share) => {
    const { uploaded, encoded, pieces } = run(share);
    const ratio = (uploaded - ALLOWANCE_BYTES * CHECKPOINTS) / encoded;
    const perCheckpoint = (bytes: number) => `${(bytes / CHECKPOINTS / 1_000).toFixed(1)} kB`;
    note(
      `${share * 100} % of ${KEY_COUNT} keys: ${perCheckpoint(uploaded)} a checkpoint for ` +
        `${perCheckpoint(encoded)} of changes, at most ${pieces} pieces, ratio ${ratio.toFixed(3)}`,
    );
    return ratio;
  });
  return { incrementalBytesRatio: Math.max(...ratios) };
}

function run(share: number): { uploaded: number; encoded: number; pieces: number } {
  const random = new SeededRandom(SEED);
  const table = new StateTable({ uid: "count", slotCount: 1, ttlMs: null, isMutable: false });
  const state = new KeyedState([table]);
  const values = new Map<string, Counter>();
  const change = (key: string) => {
    const value = { n: (values.get(key)?.n ?? 0) + 1, mean: random.next() };
    values.set(key, value);
    table.put(key, 0, value, 0);
  };
  for (let i = 0; i < KEY_COUNT; i++) change(`device-${i}`);
  checkpoint(state, 1);
  let [uploaded, encoded, pieces] = [0, 0, 0];
  for (let id = 2; id < 2 + CHECKPOINTS; id++) {
    const changed = new Set<string>();
    while (changed.size < KEY_COUNT * share) {
      changed.add(`device-${Math.floor(random.next() * KEY_COUNT)}`);
    }
    for (const key of changed) change(key);
    encoded += encodedSize([...changed].map((key) => [key, values.get(key)!]));
    const made = checkpoint(state, id);
    uploaded += made.bytes;
    pieces = Math.max(pieces, made.pieces);
  }
  return { uploaded, encoded, pieces };
}

/** A checkpoint that completes at once. */
function checkpoint(state: KeyedState, id: number): { bytes: number; pieces: number } {
  const capture = state.capture(id as CheckpointId);
  const packer = new PiecePacker();
  for (const group of capture.write) state.writeGroup(group, packer);
  const piece = packer.finish();
  const { length } = state.seal(capture, piece);
  state.completed(capture.checkpointId);
  return { bytes: piece.bytes.length, pieces: length };
}

/** Bytes of a piece that holds these entries and nothing else. */
function encodedSize(entries: readonly Change[]): number {
  const groups = new Map<number, Change[]>();
  for (const entry of entries) {
    const group = keyGroupOf(entry[0]);
    groups.set(group, [...groups.get(group) ?? [], entry]);
  }
  const packer = new PiecePacker();
  for (const [group, changes] of groups) {
    const none = changes.map(() => null);
    const columns = {
      keys: changes.map(([key]) => key),
      slots: [changes.map(([, value]) => value)],
      times: [null],
      timers: none,
      eventTimers: none,
      removed: [],
    };
    packer.add({ kind: "delta", uid: "count", group }, encodeSection(columns, "count"));
  }
  return packer.finish().bytes.length;
}
