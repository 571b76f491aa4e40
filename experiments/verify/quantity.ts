/** One figure of a verification, held against a reference. */
export interface Quantity {
  readonly name: string;
  readonly relativeError: number;
  readonly tolerance: number;
  readonly ok: boolean;
  /** Why the tolerance is not the usual one. */
  readonly note?: string;
}

export function quantity(name: string, relativeError: number, tolerance: number, note?: string): Quantity {
  return { name, relativeError, tolerance, ok: relativeError <= tolerance, ...(note ? { note } : {}) };
}

export const relative = (value: number, reference: number): number =>
  Math.abs(value - reference) / (Math.abs(reference) || 1);

/** ||a - b|| / ||b||, or ||a|| for b = 0; another length or NaN anywhere is infinitely far. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [difference, size] = [0, 0];
  for (let k = 0; k < b.length; k++) {
    difference += (a[k]! - b[k]!) ** 2;
    size += b[k]! ** 2;
  }
  const far = Math.sqrt(difference) / (Math.sqrt(size) || 1);
  return Number.isNaN(far) ? Number.POSITIVE_INFINITY : far;
}
