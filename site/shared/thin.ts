/** Drops every second element, the last one excepted, where there are more than `most`. */
export function thin(list: unknown[], most: number): void {
  if (list.length <= most) return;
  const kept = list.filter((_, k) => (list.length - 1 - k) % 2 === 0);
  list.splice(0, list.length, ...kept);
}
