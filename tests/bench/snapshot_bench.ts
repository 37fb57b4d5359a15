/**
 * What snapshots cost the processing at 100,000 keys: the longest stand-still, and the share of throughput.
 *
 * Touches processes and a loopback port. The load runs in a process of its own with a runner's heap, and this
 * one sends it a byte each millisecond. Not measured: the source's network, and the agent's disk and upload.
 *
 * @module
 */
import { RUNNER_HEAP_FLAGS } from "../../agent/runner_command.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";

const TICK_MS = 1;

/** Runs the benchmark, about a minute. */
export async function benchSnapshot(): Promise<
  { snapshotPauseP99Ms: number; checkpointOverhead: number }
> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const load = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", `--v8-flags=${RUNNER_HEAP_FLAGS}`],
      ...[`${PROJECT_ROOT}/tests/bench/snapshot_load.ts`, String(listener.addr.port)],
    ],
    stdout: "piped",
  }).spawn();
  const ticks = await listener.accept();
  const tick = setInterval(() => void ticks.write(Uint8Array.of(1)).catch(() => {}), TICK_MS);
  const { success, stdout } = await load.output();
  clearInterval(tick);
  ticks.close();
  listener.close();
  if (!success) throw new Error("The load failed");
  const { pauses, overheads } = JSON.parse(new TextDecoder().decode(stdout)) as {
    pauses: number[];
    overheads: number[];
  };
  const byLength = pauses.sort((a, b) => a - b);
  const snapshotPauseP99Ms = byLength[Math.floor((byLength.length - 1) * 0.99)]!;
  const byShare = overheads.sort((a, b) => a - b);
  const middle = byShare.length >> 1;
  const checkpointOverhead = (byShare[middle - 1]! + byShare[middle]!) / 2;
  return { snapshotPauseP99Ms, checkpointOverhead };
}
