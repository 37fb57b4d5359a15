/**
 * Holds the rules of docs/protocol.md and the titles of the tests against each other, both ways: every
 * rule in force is named by a test, and every id a test names is a rule, a fault or a security item.
 *
 * A title names rules in parentheses: `ledger: acknowledges in receipt order (M6)`.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";

const ROOT = new URL("../", import.meta.url).pathname;
const RULE = /\b[ACFGHKLMPS]\d+a?\b/g;

Deno.test("every rule in force is named by a test", async () => {
  const named = await rulesInTitles();
  const missing = (await rulesInForce()).filter((rule) => !named.has(rule));
  deepStrictEqual(missing, [], "rules of docs/protocol.md without a test");
});

Deno.test("every id a test names is written down", async () => {
  const known = new Set<string>();
  for (const page of ["protocol", "faults", "security"]) {
    for (const row of await rowsOf(page)) for (const id of row.ids) known.add(id);
  }
  const unknown = [...await rulesInTitles()].filter(([rule]) => !known.has(rule));
  deepStrictEqual(unknown.map(([rule, title]) => `${rule}: ${title}`), []);
});

Deno.test("the protocol page has its rules", async () => {
  ok((await rulesInForce()).length > 40, "rules are read from the tables");
});

async function rowsOf(page: string): Promise<{ ids: string[]; isLater: boolean }[]> {
  const text = await Deno.readTextFile(`${ROOT}docs/${page}.md`);
  return text.split("\n").flatMap((line) => {
    const cells = /^\| ([A-Z]\d+a?(?:, [A-Z]\d+a?)*) \| (.*) \|$/.exec(line);
    if (cells === null) return [];
    return [{ ids: cells[1]!.split(", "), isLater: cells[2]!.startsWith("*Later*") }];
  });
}

async function rulesInForce(): Promise<string[]> {
  return (await rowsOf("protocol")).filter((row) => !row.isLater).flatMap((row) => row.ids);
}

/** Rule to one title that names it. */
async function rulesInTitles(): Promise<Map<string, string>> {
  const rules = new Map<string, string>();
  for (const folder of ["shared", "agent", "hub", "tools", "tests"]) {
    for await (const path of testFiles(`${ROOT}${folder}`)) {
      const text = await Deno.readTextFile(path);
      for (
        const [title] of text.matchAll(
          /["`'][^"`'\n]*\([^()\n]*\b[A-Z]\d+a?\b[^()\n]*\)[^"`'\n]*["`']/g,
        )
      ) {
        for (const [, inside] of title.matchAll(/\(([^()]*)\)/g)) {
          for (const [rule] of inside!.matchAll(RULE)) rules.set(rule, title);
        }
      }
    }
  }
  return rules;
}

async function* testFiles(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* testFiles(path);
    else if (entry.name.endsWith("_test.ts")) yield path;
  }
}
