import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Digest } from "@shared/ids.ts";
import { digestOf, OpenPiece } from "../../agent/state/piece_codec.ts";
import { decodeSection } from "../../agent/state/snapshot_codec.ts";

/** A piece of version 1 as it was stored: whatever changes, it has to be read for ever. */
const STORED =
  "UE5TUAElAAAAAwAKY291bnQRAFNTARJ0ZWxlbWV0cnkAARKsAgIGb3V0AAADAwECAgYFGnB1bXAtMWdyw7bDn2UE" +
  "AgJuCG1lYW4BAgQCAAAAAAAA4D8AAAAAAAAAgAUACwEGAmEHAwkCMQEKAAAAAAAAAAABAdAPoB8CAQAAAQoOKLUv" +
  "/QBITQAAEAkJAQAnKsACAQID";
const DIGEST = "32af19db12daa747b8e7fd4b777de61042499e8928b92c3710ae71423f86a216" as Digest;

Deno.test("golden: a stored piece of version 1 is read as it was written (P9)", () => {
  const bytes = Uint8Array.from(atob(STORED), (character) => character.charCodeAt(0));
  strictEqual(digestOf(bytes), DIGEST);
  const piece = new OpenPiece(bytes, DIGEST);
  deepStrictEqual(piece.sections.map(({ kind, uid, group }) => [kind, uid, group]), [
    ["keyed", "count", 17],
    ["source", "telemetry", 0],
    ["sink", "out", 0],
  ]);
  deepStrictEqual(
    decodeSection(piece.section({ kind: "keyed", uid: "count", group: 17 }), "section"),
    {
      keys: ["pump-1", "größe"],
      slots: [
        [{ n: 1, mean: 0.5 }, { n: 2, mean: -0 }],
        [undefined, new Map<unknown, unknown>([["a", [1n, null, new Date(0)]]])],
      ],
      times: [[1000, 2000], [1000, 2000]],
      timers: [[5, 7], null],
      eventTimers: [null, null],
      removed: [],
    },
  );
  const source = piece.section({ kind: "source", uid: "telemetry", group: 0 });
  deepStrictEqual(source, new Uint8Array(300).fill(9));
  deepStrictEqual(
    piece.section({ kind: "sink", uid: "out", group: 0 }).slice(),
    Uint8Array.of(1, 2, 3),
  );
});
