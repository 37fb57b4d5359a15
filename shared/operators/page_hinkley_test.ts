import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { pageHinkley, type PageHinkleyOptions } from "./page_hinkley.ts";

const of = (options: Partial<PageHinkleyOptions<number>> = {}) =>
  pageHinkley<number>({ value: (value) => value, ...options });

Deno.test("Page-Hinkley: tells each change of the mean once, and takes the new mean as normal", () => {
  const values = [...calm(500), ...calm(500, 53), ...calm(500, 49)];
  const edges = edgesOf(of(), values);
  equal(edges.split(",").length, 4, edges);
  ok(onsetFrom(edges, 500) < 530 && onsetFrom(edges, 600) < 1_030, edges);
  ok(Math.abs(stateBehind(of(), values).mean - 49) < 0.5);
});

Deno.test("Page-Hinkley: a change lasts until the new normal is learned", () => {
  const edges = edgesOf(of({ warmUp: 80 }), [...calm(300), ...calm(300, 60)]);
  const [onset, end] = edges.split(",").map((edge) => Number(edge.slice(1)));
  equal(end! - onset!, 80);
});

Deno.test("Page-Hinkley: a spike is no change", () => {
  equal(edgesOf(of(), [...calm(500), 1e6, ...calm(500)]), "");
});

Deno.test("Page-Hinkley: the change that is not watched is not told", () => {
  equal(edgesOf(of({ direction: "down" }), [...calm(200), ...calm(40, 53)]), "");
});

Deno.test("Page-Hinkley: one absurd value does not blind it", () => {
  const values = [...calm(300), 3.4e38, ...calm(200), ...calm(100, 54)];
  const onset = onsetFrom(edgesOf(of(), values), 501);
  ok(onset < 540, String(onset));
});
