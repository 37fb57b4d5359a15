import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { RefusedFrames, TELL_EVERY_MS } from "./refused_frames.ts";

Deno.test("refused frames: the first of a kind is told at once, the rest once in a while, none uncounted (F4)", () => {
  const refused = new RefusedFrames();
  const late = { kind: "late", detail: "attempt 1, this one is 2" } as const;
  const forged = { kind: "forged", detail: "their code is wrong" } as const;
  deepStrictEqual(refused.refused(late, 0), {
    type: "late-frame-refused",
    detail: "Refused exchange frames of another attempt: attempt 1, this one is 2",
    fields: { count: 1, total: 1 },
  });
  strictEqual(refused.refused(late, 1), null);
  strictEqual(refused.refused(forged, 2)?.type, "forged-frame-refused");
  strictEqual(refused.refused(late, TELL_EVERY_MS - 1), null);
  deepStrictEqual(refused.refused(late, TELL_EVERY_MS)?.fields, { count: 3, total: 4 });
  strictEqual(refused.count("late"), 4);
  strictEqual(refused.count("forged"), 1);
});
