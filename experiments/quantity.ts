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
