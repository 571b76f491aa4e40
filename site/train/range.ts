/** The least and the largest of some values. */
export function rangeOf(values: ArrayLike<number>): readonly [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let k = 0; k < values.length; k++) [low, high] = [Math.min(low, values[k]!), Math.max(high, values[k]!)];
  return [low, high];
}
