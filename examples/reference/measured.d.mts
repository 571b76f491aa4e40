export function measured(
  field: string,
  of: (...point: number[]) => number,
  box: Readonly<Record<string, readonly [low: number, high: number]>>,
  asked: { count: number; noise: number; seed: number },
): Record<string, number[]>;
