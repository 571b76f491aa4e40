/** `; did you mean NAME?`, where one of the names is close to what was written. */
export function nearest(written: string, names: readonly string[]): string {
  const [best] = names
    .map((each) => ({ each, distance: distance(written, each) }))
    .filter(({ each, distance: d }) => d <= Math.floor(Math.min(written.length, each.length) / 2))
    .sort((a, b) => a.distance - b.distance);
  return best ? `; did you mean ${best.each}?` : `; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
}

/** Letters to insert, drop or replace (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}
