import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { UserError } from "@shared/errors.ts";
import { durationMs } from "./duration.ts";
import { alarmSink, generatorSource, mqttSink, mqttSource, type MqttSourceOptions } from "./mod.ts";

const SPLITS = [{ topics: ["plant/+/telemetry"] }];

function codeOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    ok(error instanceof UserError, String(error));
    match(error.at ?? "", /connectors_test\.ts:\d+$/);
    return error.code;
  }
  throw new Error("it was accepted");
}

const mqttCode = (options: Partial<Record<keyof MqttSourceOptions<unknown>, unknown>>) =>
  codeOf(() => mqttSource({ broker: "plant", splits: SPLITS, ...options } as never));

Deno.test("mqtt source: settles defaults", () => {
  const { descriptor, spec } = mqttSource({ broker: "plant", splits: SPLITS });
  deepEqual(descriptor, {
    connector: "mqtt",
    broker: "plant",
    splits: [{ topics: ["plant/+/telemetry"], near: {} }],
    receiveMaximum: 65_535,
    sessionExpirySeconds: 86_400,
    whenHubAway: "continue",
    onGap: "continue",
    maxPayloadBytes: 1_048_576,
    peakRate: null,
  });
  equal(spec.connector === "mqtt" && spec.decode, null);
});

Deno.test("mqtt source: how event time advances is checked and kept out of the graph", () => {
  const eventTime = (record: { ts: number }) => record.ts;
  const { descriptor } = mqttSource({
    broker: "plant",
    splits: SPLITS,
    eventTime,
    maxOutOfOrderness: "5s",
    idleAfter: 30_000,
  });
  ok(!("maxOutOfOrderness" in descriptor) && !("idleAfter" in descriptor));
  equal(mqttCode({ eventTime, maxOutOfOrderness: "5 s" }), "bad-duration");
  equal(mqttCode({ idleAfter: "5s" }), "event-time-missing");
});

Deno.test("mqtt source: refuses what is out of range", () => {
  equal(mqttCode({ receiveMaximum: 0 }), "bad-option");
  equal(mqttCode({ receiveMaximum: 65_536 }), "bad-option");
  equal(mqttCode({ receiveMaximum: 1.5 }), "bad-option");
  equal(mqttCode({ sessionExpiry: "1ms" }), "bad-option");
  equal(mqttCode({ peakRate: -1 }), "bad-option");
  equal(mqttCode({ onGap: "stop" }), "bad-option");
  equal(mqttCode({ whenHubAway: "wait" }), "bad-option");
  equal(mqttCode({ decode: "json" }), "bad-option");
  equal(mqttCode({ splits: [] }), "no-splits");
  equal(mqttCode({ splits: undefined }), "no-splits");
  equal(mqttCode({ splits: [{ topics: [] }] }), "no-topics");
  equal(mqttCode({ broker: "mqtt://plant:1883" }), "bad-broker-name");
  equal(mqttCode({ broker: undefined }), "bad-broker-name");
  throws(() => mqttSource({ broker: "plant", splits: SPLITS, qos: 1 } as never), /no option "qos"/);
});

for (
  const [filter, isGood] of [
    ["plant/line-1/+/telemetry", true],
    ["#", true],
    ["+", true],
    ["plant/#", true],
    ["+/+/#", true],
    ["/plant", true],
    ["", false],
    ["plant/#/x", false],
    ["plant#", false],
    ["plant/a+", false],
    ["plant/++", false],
    ["$share/group/plant/#", false],
    ["a\0b", false],
    ["a".repeat(65_536), false],
  ] as const
) {
  Deno.test(`mqtt source: ${isGood ? "takes" : "refuses"} the filter ${JSON.stringify(filter.slice(0, 30))}`, () => {
    const make = () => mqttSource({ broker: "plant", splits: [{ topics: [filter] }] });
    if (isGood) make();
    else equal(codeOf(make), "bad-topic-filter");
  });
}

Deno.test("generator source: settles splits", () => {
  const next = (position: number) => position;
  equal(generatorSource({ next, splits: 3 }).descriptor.splits.length, 3);
  deepEqual(generatorSource({ next, splits: [{ near: { line: "1" } }, {}] }).descriptor.splits, [
    { topics: [], near: { line: "1" } },
    { topics: [], near: {} },
  ]);
  equal(codeOf(() => generatorSource({ next, splits: 0 })), "bad-option");
  equal(codeOf(() => generatorSource({ next, ratePerSecond: 0 })), "bad-option");
});

Deno.test("mqtt sink: is direct at qos 1 and not retained unless said", () => {
  const { spec } = mqttSink<{ x: string }>({ broker: "plant", topic: (r) => `out/${r.x}` });
  ok(spec.connector === "mqtt");
  deepEqual([spec.delivery, spec.qos, spec.isRetained, spec.encode], ["direct", 1, false, null]);
  equal(spec.topic({ x: "a" }), "out/a");
});

Deno.test("mqtt sink: refuses a wildcard topic, staged at qos 0, unknown classes", () => {
  equal(codeOf(() => mqttSink({ broker: "plant", topic: "out/+" })), "bad-topic");
  equal(codeOf(() => mqttSink({ broker: "plant", topic: "" })), "bad-topic");
  equal(
    codeOf(() => mqttSink({ broker: "plant", topic: "o", delivery: "staged", qos: 0 })),
    "bad-option",
  );
  equal(
    codeOf(() => mqttSink({ broker: "plant", topic: "o", delivery: "sent" as never })),
    "bad-option",
  );
  equal(codeOf(() => mqttSink({ broker: "plant", topic: "o", qos: 2 as never })), "bad-option");
});

Deno.test("alarm sink: wants a priority it knows, and says what the hub carries out", () => {
  equal(alarmSink({ priority: "high" }).descriptor.connector, "alarm");
  equal(codeOf(() => alarmSink({ priority: "urgent" as never })), "bad-option");
  deepEqual(
    alarmSink({
      priority: "low",
      cause: "a worn seal",
      consequence: "a leak",
      response: "change the seal",
      onDelay: "5s",
      offDelay: "1m",
      reAlarm: "1h",
      noData: { after: "5m" },
      suppressedBy: ["trips"],
    }).descriptor,
    {
      connector: "alarm",
      priority: "low",
      delivery: "idempotent",
      cause: "a worn seal",
      consequence: "a leak",
      response: "change the seal",
      onDelayMs: 5_000,
      offDelayMs: 60_000,
      reAlarmMs: 3_600_000,
      noData: { afterMs: 300_000, priority: "low" },
      suppressedBy: ["trips"],
    },
  );
  const refused = [
    { onDelay: "soon" },
    { reAlarm: "0s" },
    { noData: { after: 0 } },
    { noData: { after: "5m", priority: "urgent" } },
    { noData: { within: "5m" } },
    { suppressedBy: "trips" },
    { cause: 7 },
    { ondelay: "5s" },
  ];
  for (const options of refused) {
    throws(() => alarmSink({ priority: "low", ...options } as never), UserError, String(options));
  }
});

Deno.test("duration: numbers are milliseconds, texts have a unit", () => {
  const of = (duration: unknown) => durationMs(duration as number, "it");
  deepEqual([0, 250, "250ms", "5s", "1m", "2h", "7d", "1.5s"].map(of), [
    0,
    250,
    250,
    5_000,
    60_000,
    7_200_000,
    604_800_000,
    1_500,
  ]);
  for (const bad of [-1, NaN, Infinity, "", "5", "5 s", "s", "-5s", "5w", null, undefined]) {
    throws(() => of(bad), /it is .*: give milliseconds/);
  }
});
