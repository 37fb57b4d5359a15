/**
 * Outputs of a staged sink, by the checkpoint that holds them, until the other side has confirmed them.
 *
 * Pure.
 *
 *   write ──▶ open ──capture n──▶ staged in n ──completed n──▶ released ──confirmed──▶ gone
 *
 * Invariants:
 *  1. (K1) An output is released only when a checkpoint that holds it is complete.
 *  2. (K2) Released and not confirmed outputs are in every later snapshot, under the id they had.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import { ByteReader, ByteWriter } from "./mqtt_packets.ts";

export interface StagedOutput {
  readonly outputId: string;
  readonly topic: string;
  readonly payload: Uint8Array;
}

interface Epoch {
  /** Checkpoint whose barrier closed it. */
  readonly checkpointId: number;
  readonly outputs: Set<StagedOutput>;
  isReleased: boolean;
}

const SECTION_VERSION = 1;

export class StagedOutputs {
  #open = new Set<StagedOutput>();
  #epochs: Epoch[] = [];

  /** Outputs not confirmed. */
  get count(): number {
    return this.#epochs.reduce((sum, epoch) => sum + epoch.outputs.size, this.#open.size);
  }

  add(output: StagedOutput): void {
    this.#open.add(output);
  }

  /** Closes what was written since the last barrier; returns everything not confirmed, as a section. */
  capture(checkpointId: number): Uint8Array {
    if (this.#open.size > 0) {
      this.#epochs.push({ checkpointId, outputs: this.#open, isReleased: false });
      this.#open = new Set();
    }
    const writer = new ByteWriter().byte(SECTION_VERSION).uint32(this.count);
    for (const epoch of this.#epochs) {
      for (const { outputId, topic, payload } of epoch.outputs) {
        writer.text(outputId).text(topic).uint32(payload.length).raw(payload);
      }
    }
    return writer.bytes().slice();
  }

  /** Outputs held by checkpoints up to `checkpointId` and not released yet, oldest first. */
  completed(checkpointId: number): StagedOutput[] {
    const released: StagedOutput[] = [];
    for (const epoch of this.#epochs) {
      if (epoch.isReleased || epoch.checkpointId > checkpointId) continue;
      epoch.isReleased = true;
      released.push(...epoch.outputs);
    }
    return released;
  }

  confirmed(output: StagedOutput): void {
    for (const epoch of this.#epochs) if (epoch.outputs.delete(output)) break;
    this.#epochs = this.#epochs.filter((epoch) => epoch.outputs.size > 0);
  }

  /**
   * Takes over the outputs of a snapshot: restoring from a checkpoint implies that it is complete (C5).
   *
   * @returns What `completed` returns.
   * @throws {PenstockError} `bad-section`.
   */
  restore(section: Uint8Array, restoredId: number): StagedOutput[] {
    const reader = new ByteReader(section);
    const version = reader.byte();
    if (version !== SECTION_VERSION) {
      throw new PenstockError(
        `Cannot restore a sink: its snapshot section has version ${version}, want ${SECTION_VERSION}`,
        { code: "bad-section", domain: "internal" },
      );
    }
    const outputs = new Set<StagedOutput>();
    for (let left = reader.uint32(); left > 0; left -= 1) {
      const outputId = reader.text();
      const topic = reader.text();
      outputs.add({ outputId, topic, payload: reader.raw(reader.uint32()).slice() });
    }
    if (outputs.size === 0) return [];
    this.#epochs.push({ checkpointId: restoredId, outputs, isReleased: false });
    return this.completed(restoredId);
  }
}
