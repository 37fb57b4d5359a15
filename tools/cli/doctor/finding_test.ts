/** Verdicts of the doctor that no machine of a test can be brought to. */
import { deepEqual, equal, match } from "node:assert/strict";
import { expiryFinding, windowFinding } from "./broker.ts";
import { brokerOf } from "./broker_flag.ts";
import { fsyncFinding, spaceFinding } from "./data_dir.ts";
import { clockFinding, judgeCertificate, proxyFor } from "./hub_way.ts";
import { denoFinding, memoryFinding, platformFinding, unitFinding } from "./machine.ts";
import { judgePostgres } from "./services.ts";

Deno.test("doctor: a machine is judged by system, processor, glibc, memory and Deno", () => {
  const verdicts = [
    platformFinding("linux", "x86_64", "2.36"),
    platformFinding("linux", "aarch64", "2.31"),
    platformFinding("linux", "armv7l", "2.31"),
    platformFinding("linux", "x86_64", null),
    platformFinding("linux", "x86_64", "2.17"),
    platformFinding("darwin", "aarch64", null),
    memoryFinding(64e6),
    memoryFinding(200e6),
    memoryFinding(2e9),
    denoFinding("2.9.6"),
    denoFinding("2.8.0"),
    unitFinding("penstock-hub", "failed"),
    unitFinding("penstock-hub", "activating"),
    unitFinding("penstock-hub", "active"),
  ].map(({ verdict }) => verdict);
  deepEqual(verdicts, [
    ...["ok", "ok", "fail", "fail", "fail", "warn"],
    ...["fail", "warn", "ok"],
    ...["ok", "warn"],
    ...["fail", "warn", "ok"],
  ]);
});

Deno.test("doctor: a slow or full disk is told by its figures", () => {
  const slow = Array.from({ length: 100 }, (_, i) => i >= 98 ? 1_500 : 1);
  const judged = fsyncFinding("fsync", slow);
  deepEqual([judged.verdict, judged.found], ["fail", "p50 1.0 ms, p99 1500.0 ms"]);
  equal(fsyncFinding("fsync", [60]).verdict, "warn");
  equal(fsyncFinding("fsync", [2]).verdict, "ok");
  deepEqual(
    [100e6, 500e6, 5e9].map((free) => spaceFinding("space", free).verdict),
    ["fail", "warn", "ok"],
  );
});

Deno.test("doctor: a clock is judged within what a header of whole seconds can tell", () => {
  const date = "Sun, 22 Nov 2026 12:00:00 GMT";
  const at = (ms: number) => clockFinding(date, Date.parse(date) + ms);
  deepEqual([0, 999, 2_400, 4_000, -40_000].map((ms) => at(ms).verdict), [
    "ok",
    "ok",
    "ok",
    "warn",
    "fail",
  ]);
  match(at(-40_000).found, /40\.0 s behind the hub's/);
});

Deno.test("doctor: a certificate is judged by trust and by its last days", () => {
  const validTo = "Nov 27 20:49:23 2026 GMT";
  const now = Date.parse(validTo) - 5 * 86_400_000;
  const judge = (error: string | null, nowMs: number) =>
    judgeCertificate({ validTo, issuer: "Plant CA", error }, nowMs).verdict;
  deepEqual([
    judge(null, now),
    judge("UnknownIssuer", now),
    judge(null, now + 6 * 86_400_000),
    judge(null, now - 60 * 86_400_000),
  ], ["warn", "fail", "fail", "ok"]);
});

Deno.test("doctor: reads the proxy variables as the runtime does, and shows no password", () => {
  const env = { HTTPS_PROXY: "http://user:secret@proxy:3128", NO_PROXY: "localhost,.plant.local" };
  equal(proxyFor(new URL("https://hub.example.org"), env), "http://proxy:3128");
  equal(proxyFor(new URL("https://hub.plant.local"), env), null);
  equal(proxyFor(new URL("http://hub.example.org"), env), null);
});

Deno.test("doctor: a broker's limits and a database's rights are told apart", () => {
  deepEqual([10, 20].map((window) => windowFinding("w", window).verdict), ["warn", "ok"]);
  deepEqual([null, 604_800, 60, 0].map((seconds) => expiryFinding("s", seconds).verdict), [
    "ok",
    "ok",
    "warn",
    "fail",
  ]);
  deepEqual(
    [judgePostgres("15.9", true), judgePostgres("15.9", false), judgePostgres("12.1", true)]
      .map(({ verdict }) => verdict),
    ["ok", "fail", "warn"],
  );
  const { name, url, username, password } = brokerOf("mqtts://u:p%40s@b.example", {});
  deepEqual([name, url, username, password], ["b.example", "mqtts://b.example:8883", "u", "p@s"]);
});
