/** Tables as text: a line of names, then lines of numbers, separated by commas. */
import { UserError } from '../engine/index.ts';

/** A table that cannot be read: the message says in which line, counted from 1. */
export class CsvError extends UserError {
  override readonly name = 'CsvError';
}

/** Columns by name, of equal length. Throws {@link CsvError}. */
export function parseCsv(text: string): Record<string, Float64Array> {
  const lines = text.split(/\r?\n/).map((line, k) => ({ number: k + 1, cells: line.split(',').map((c) => c.trim()) }));
  const [head, ...rows] = lines.filter(({ cells }) => cells.some((cell) => cell !== ''));
  if (!head) throw new CsvError('there is no line in it');
  const names = head.cells;
  const twice = names.find((name, k) => names.indexOf(name) < k);
  if (twice !== undefined) throw new CsvError(`line ${head.number}: there are two columns ${twice}`);
  if (names.some((name) => name === '' || Number.isFinite(Number(name))))
    throw new CsvError(`line ${head.number}: it must hold the names of the columns, not "${names.join(',')}"`);
  if (rows.length === 0) throw new CsvError('there is no line of numbers in it');
  const numbers = rows.map(({ number, cells }) => {
    if (cells.length !== names.length)
      throw new CsvError(`line ${number}: it has ${cells.length} columns, the line of names ${names.length}`);
    return cells.map((cell, k) => {
      const value = cell === '' ? Number.NaN : Number(cell);
      if (!Number.isFinite(value)) throw new CsvError(`line ${number}: "${cell}" of ${names[k]} is no finite number`);
      return value;
    });
  });
  return Object.fromEntries(names.map((name, k) => [name, Float64Array.from(numbers, (row) => row[k]!)]));
}
