import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { Digest } from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import type { RestoreRequest } from "./restore_plan.ts";
import { chainJob, SubtaskRig } from "./test_support.ts";

const count = (uid: string, codecVersion = 1): StatefulSpec => ({
  kind: "mapWithState",
  uid,
  onError: "fail",
  keyOf: () => "a",
  initial: () => 0,
  fn: (n: number) => [n + 1, n + 1],
  codecVersion,
  ttlMs: null,
});

async function taken(): Promise<{ request: RestoreRequest; pieces: Map<Digest, Uint8Array> }> {
  const rig = await new SubtaskRig(chainJob([count("count")])).start();
  rig.emit(0, 0);
  const { request } = await rig.checkpoint(1);
  return { request, pieces: rig.pieces };
}

async function refusal(
  spec: StatefulSpec,
  request: RestoreRequest,
  pieces: ReadonlyMap<Digest, Uint8Array>,
): Promise<string> {
  const rig = new SubtaskRig(chainJob([spec]));
  await rig.start({ request, pieces });
  deepStrictEqual(rig.reports.map((report) => report.kind), ["failed"]);
  return rig.reportsOf("failed")[0]!.message;
}

Deno.test("restore: another key-group count, key hash or manifest version is refused (S1)", async () => {
  const { request, pieces } = await taken();
  const changes: readonly [
    change: Partial<Record<keyof SubtaskSnapshot, unknown>>,
    said: RegExp,
  ][] = [
    [{ keyGroupCount: 64 }, /key-group count is 64, want 128/],
    [{ keyHash: "crc32" }, /key hash is crc32, want murmur3/],
    [{ version: 2 }, /manifest version is 2, want 1/],
  ];
  for (const [change, said] of changes) {
    const snapshot = { ...request.snapshot, ...change } as SubtaskSnapshot;
    match(await refusal(count("count"), { ...request, snapshot }, pieces), said);
  }
});

Deno.test("restore: state of an operator that is gone is refused unless it may be left behind (S2)", async () => {
  const { request, pieces } = await taken();
  match(await refusal(count("renamed"), request, pieces), /no operator for the state of "count"/);
  const rig = new SubtaskRig(chainJob([count("renamed")]));
  await rig.start({ request: { ...request, allowNonRestoredState: true }, pieces });
  rig.emit(0);
  strictEqual(rig.sink.written[0]?.value, 1);
});

Deno.test("restore: state of another codec version is refused (S3)", async () => {
  const { request, pieces } = await taken();
  match(
    await refusal(count("count", 2), request, pieces),
    /operator "count" has value "value" of version 2 for the stored value "value" of version 1/,
  );
});

Deno.test("restore: a piece that is missing or changed is refused by name (C8)", async () => {
  const { request, pieces } = await taken();
  const [[digest, bytes]] = [...pieces] as [[Digest, Uint8Array]];
  const changed = bytes.slice();
  changed[changed.length - 1]! ^= 1;
  match(await refusal(count("count"), request, new Map()), new RegExp(`piece ${digest} did not`));
  match(
    await refusal(count("count"), request, new Map([[digest, changed]])),
    new RegExp(`digest [0-9a-f]{64}, want ${digest}`),
  );
});
