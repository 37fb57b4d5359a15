import { equal, match } from "node:assert/strict";
import { callSiteOf, placeOfFrame } from "./call_site.ts";

function marked(): string | null {
  return inner();
  function inner() {
    return callSiteOf(marked);
  }
}

Deno.test("call site: is the line that called the function, not a line inside it", () => {
  match(marked() ?? "", /call_site_test\.ts:12$/);
});

for (
  const [frame, place] of [
    ["    at file:///home/me/job.ts:4:11", "/home/me/job.ts:4"],
    ["    at defineJob (file:///home/me/job.ts:4:11)", "/home/me/job.ts:4"],
    ["    at async file:///home/me/job.ts:4:11", "/home/me/job.ts:4"],
    ["    at f (file:///home/a b/job.ts:4:11)", "/home/a b/job.ts:4"],
    ["    at f (file:///home/a%20b/job.ts:4:11)", "/home/a b/job.ts:4"],
    ["    at f (file:///home/100%/job.ts:4:11)", "/home/100%/job.ts:4"],
    ["    at eval (eval at run (file:///hub/main.ts:10:5), <anonymous>:12:3)", null],
    ["    at file:///home/me/$deno$stdin.mts:3:1", null],
    ["    at ext:core/01_core.js:1:1", null],
    ["    at https://example.com/job.ts:4:11", null],
    ["Error: oh", null],
  ] as const
) {
  Deno.test(`call site: ${frame.trim()} is ${place}`, () => equal(placeOfFrame(frame), place));
}
