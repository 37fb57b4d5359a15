import { equal, notEqual, ok, throws } from "node:assert/strict";
import { judgeRows, scoreFile } from "./score_file.ts";
import { NAB, type Row, SKAB } from "./series.ts";

const STEP_MS = 300_000;

/** Rows of a NAB file: a daily pattern with noise, and from `strangeFrom` on something else. */
function nabRows(count: number, strangeFrom = Infinity): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    timestamp: new Date(i * STEP_MS).toISOString().slice(0, 19).replace("T", " "),
    value: 50 + 10 * Math.sin(i / 288 * 2 * Math.PI) + Math.sin(i * i * 1.7) +
      (i >= strangeFrom ? 80 : 0),
  }));
}

function skabRows(count: number, label: (i: number) => number): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    datetime: new Date(i * 1_000).toISOString().slice(0, 19).replace("T", " "),
    Current: 2 + Math.sin(i * i * 1.7) / 10,
    "Volume Flow RateRMS": (i < 600 ? 32 : 28) + Math.cos(i * i * 2.3) / 2,
    anomaly: label(i),
    changepoint: label(i),
  }));
}

const scoreOf = (line: string) => Number(line.split(",")[2]);

Deno.test("score nab: every row has a score, and that of the strange one is beyond the threshold", () => {
  const lines = judgeRows(NAB, nabRows(3_000, 2_500));
  equal(lines.length, 3_000);
  ok(scoreOf(lines[2_500]!) > 0.5, lines[2_500]!);
  ok(lines.slice(2_100, 2_500).every((line) => scoreOf(line) < 0.5));
});

Deno.test("score nab: a score does not depend on later rows", () => {
  const lines = judgeRows(NAB, nabRows(2_600, 2_500));
  equal(judgeRows(NAB, nabRows(2_501, 2_500)).join(), lines.slice(0, 2_501).join());
});

Deno.test("score nab: a row without a value has a line without a score", () => {
  const rows = nabRows(3_000, 2_500);
  rows[2_501] = { ...rows[2_501], value: null };
  const lines = judgeRows(NAB, rows);
  equal(lines.length, 3_000);
  equal(scoreOf(lines[2_501]!), 0);
});

Deno.test("score skab: labels are not looked at, and the shift is found while it lasts", () => {
  const lines = judgeRows(SKAB, skabRows(900, () => 0));
  equal(judgeRows(SKAB, skabRows(900, (i) => i >= 600 ? 1 : 0)).join(), lines.join());
  equal(lines.slice(0, 600).some((line) => line.endsWith(";1")), false);
  ok(lines.slice(630).every((line) => line.endsWith(";1")));
});

Deno.test("score: writes a file of the same name below the other folder", async () => {
  const inFolder = await Deno.makeTempDir();
  const outFolder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${inFolder}/real`);
    const rows = nabRows(50).map(({ timestamp, value }) => `${timestamp},${value}`);
    await Deno.writeTextFile(
      `${inFolder}/real/a.csv`,
      `timestamp,value\r\n${rows.join("\r\n")}\r\n`,
    );
    equal(scoreFile(NAB, { path: `${inFolder}/real/a.csv`, inFolder, outFolder }), 50);
    const [header, ...lines] = (await Deno.readTextFile(`${outFolder}/real/a.csv`)).trim().split(
      "\n",
    );
    equal(header, NAB.header);
    equal(lines.length, 50);
    equal(lines[49]!.split(",")[0], rows[49]!.split(",")[0]);
    notEqual(lines[49]!.split(",")[2], "");
    const broken = `${inFolder}/real/b.csv`;
    await Deno.writeTextFile(broken, "timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01\n");
    throws(
      () => scoreFile(NAB, { path: broken, inFolder, outFolder }),
      /b\.csv, row 2: the row has 1/,
    );
  } finally {
    await Deno.remove(inFolder, { recursive: true });
    await Deno.remove(outFolder, { recursive: true });
  }
});
