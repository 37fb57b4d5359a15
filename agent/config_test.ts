import { deepStrictEqual as equal, throws } from "node:assert/strict";
import { parseAgentConfig } from "./config.ts";

const surroundings = { machineName: "Gateway_7.plant", failPoint: null };

Deno.test("agent flags: both spellings, repeated labels, machine's name by default", () => {
  const args = ["--hub=https://hub/", "--label", "line=1", "--label=site=a=b", "--data-dir", "/d/"];
  equal(parseAgentConfig([...args, "--join-token-file", "t"], surroundings), {
    hubUrl: "https://hub",
    joinTokenFile: "t",
    isForced: false,
    name: "gateway-7-plant",
    labels: { line: "1", site: "a=b" },
    dataDir: "/d",
    runnerBundle: null,
    uploadLimit: null,
    failPoint: null,
  });
});

Deno.test("agent flags: --force takes no value", () => {
  const { isForced, hubUrl } = parseAgentConfig(["--force", "--hub", "http://hub"], surroundings);
  equal([isForced, hubUrl], [true, "http://hub"]);
});

Deno.test("agent flags: the limit of uploads is read as bytes per second", () => {
  const args = ["--hub", "http://hub", "--upload-limit", "256kbit"];
  equal(parseAgentConfig(args, surroundings).uploadLimit, 32_000);
});

for (
  const [args, wanted] of [
    [[], /--hub: want the address of the hub/],
    [["--hub", "hub:8080"], /--hub "hub:8080": want/],
    [["--hub"], /--hub: want a value/],
    [["--hubb", "x"], /"--hubb": want one of/],
    [["--hub", "http://h", "--label", "line"], /--label "line": want key=value/],
    [["--hub", "http://h", "--upload-limit", "fast"], /rate "fast": want a number and a unit/],
    [["--hub", "http://h", "--name", "Über"], /--name "Über": want/],
  ] as const
) {
  Deno.test(`agent flags: refuses ${JSON.stringify(args)}`, () => {
    throws(() => parseAgentConfig(args, surroundings), wanted);
  });
}
