import { deepEqual, equal } from "node:assert/strict";
import { CHUNKS_MAX, SampleGatherer } from "./sample_gatherer.ts";

const NOW_MS = Date.UTC(2026, 0, 1);

Deno.test("sample gatherer: what does not fit any more is counted, and the newcomer stays, also an older one", () => {
  const gatherer = new SampleGatherer();
  const add = (subject: string, atMs: number) =>
    gatherer.add(
      { jobId: "job", kind: "signal", source: "drift", subject },
      { atMs, value: 1 },
      NOW_MS,
      0,
    );
  for (let i = 0; i < CHUNKS_MAX; i++) add(`pump-${i}`, NOW_MS);
  equal(gatherer.drops.overflow, 0);
  add("late", NOW_MS - 60_000);
  deepEqual([gatherer.chunkCount, gatherer.drops.overflow], [CHUNKS_MAX, 1]);
  const kept = gatherer.waiting(({ name }) => name.subject === "late");
  equal(kept[0]?.points.n, 1);
});
