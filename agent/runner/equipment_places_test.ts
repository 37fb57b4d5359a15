import { deepEqual, equal } from "node:assert/strict";
import { equipmentSpec } from "@shared/sdk/equipment.ts";
import { EquipmentPlaces } from "./equipment_places.ts";

const here = () => {};
const sampleOf = (key: string) => ({ operatorUid: "drift", key, atMs: 0, value: 1, score: null });

Deno.test("equipment places: each key is told once, and a key whose path throws not at all", () => {
  const places = new EquipmentPlaces(equipmentSpec({
    levels: ["site", "line"],
    path: (key) => {
      if (key === "odd") throw new Error("no place");
      return key.split("-").slice(0, 2);
    },
  }, here));
  equal(places.topicSeen, null);
  places.signalsSeen([sampleOf("n-1-pump"), sampleOf("odd"), sampleOf("n-1-pump")]);
  deepEqual(places.take(), [{ key: "n-1-pump", path: ["n", "1"] }]);
  places.signalsSeen([sampleOf("n-1-pump")]);
  deepEqual(places.take(), []);
});

Deno.test("equipment places: topics tell them where the job says so", () => {
  const places = new EquipmentPlaces(
    equipmentSpec({ topic: "plant/{line}/{equipment}/telemetry" }, here),
  );
  places.topicSeen?.("plant/line-1/pump-3/telemetry");
  places.topicSeen?.("plant/line-1/pump-3/telemetry");
  places.topicSeen?.("plant/line-1/other");
  deepEqual(places.take(), [{ key: "pump-3", path: ["line-1"] }]);
});

Deno.test("equipment places: a job that says nothing has none", () => {
  const places = new EquipmentPlaces(null);
  places.signalsSeen([sampleOf("a/b")]);
  equal(places.topicSeen, null);
  deepEqual(places.take(), []);
});

Deno.test("equipment places: what the hub may have missed is told again", () => {
  const places = new EquipmentPlaces(equipmentSpec({ topic: "{line}/{equipment}" }, here));
  places.topicSeen?.("line-1/pump-3");
  const told = places.take();
  equal(told.length, 1);
  places.tellAgain();
  places.topicSeen?.("line-1/pump-3");
  deepEqual(places.take(), told);
});

Deno.test("equipment places: a level that is nothing, or a key that no message holds, is no place", () => {
  const places = new EquipmentPlaces(equipmentSpec({
    levels: ["site", "line"],
    path: (key) => [key.split("-")[0]!, key.split("-")[1]!],
  }, here));
  places.signalsSeen([sampleOf("pump"), sampleOf(`n-1-${"k".repeat(4_096)}`)]);
  deepEqual(places.take(), []);
});
