import { deepStrictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder, type RunnerReport } from "./runner_frames.ts";

Deno.test("runner frames: however the stream is cut, the same headers and bodies come out", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 });
  fc.assert(
    fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (bodies, cuts) => {
      const frames = bodies.map((body, i) =>
        encodeFrame({ kind: "failPoint", name: `point ${i}` }, body)
      );
      const stream = new Uint8Array(frames.flatMap((frame) => [...frame]));
      const found: [RunnerReport, number[]][] = [];
      const decoder = new FrameDecoder<RunnerReport>();
      for (let at = 0; at < stream.length;) {
        const end = at + cuts.next().value;
        // The chunk is overwritten afterwards, as a read buffer is.
        const chunk = stream.slice(at, end);
        decoder.push(chunk, (header, body) => found.push([header, [...body]]));
        chunk.fill(0);
        at = end;
      }
      const wanted = bodies.map((
        body,
        i,
      ) => [{ kind: "failPoint", name: `point ${i}` }, [...body]]);
      deepStrictEqual(found, wanted);
    }),
  );
});

Deno.test("runner frames: a length no frame can have breaks the stream at once", () => {
  const tooLong = new Uint8Array(4);
  new DataView(tooLong.buffer).setUint32(0, FRAME_BYTES_MAX + 1);
  throws(() => new FrameDecoder().push(tooLong, () => {}), RangeError);
  throws(() => new FrameDecoder().push(new Uint8Array(4), () => {}), RangeError);
});
