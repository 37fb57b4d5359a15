/** Which of the known names somebody meant. Pure. @module */

const NAMES_MAX = 3;

/** The known names nearest to `input`, best first; empty when none is near. */
export function nearest(input: string, known: readonly string[]): string[] {
  const wanted = input.toLowerCase();
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  return [...new Set(known)]
    .map((name) => ({ name, score: distance(wanted, name.toLowerCase()) }))
    .filter(({ name, score }) => score <= limit || isPart(wanted, name.toLowerCase()))
    .sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1))
    .slice(0, NAMES_MAX)
    .map(({ name }) => name);
}

/** ` Did you mean "a" or "b"?`, or nothing. */
export function didYouMean(input: string, known: readonly string[]): string {
  const names = nearest(input, known).map((name) => `"${name}"`);
  if (names.length === 0) return "";
  const last = names.pop();
  return ` Did you mean ${names.length === 0 ? last : `${names.join(", ")} or ${last}`}?`;
}

function isPart(input: string, name: string): boolean {
  return input.length >= 3 && name.startsWith(input);
}

/** Letters to insert, delete, replace or swap with a neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
