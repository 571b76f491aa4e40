/**
 * Second-order slots of a jet: each carries one weighted sum of second derivatives. Coordinates are counted among those
 * whose first derivatives the jet carries.
 */
import { range } from '../engine/index.ts';

/** `weight` times the derivative along coordinates `a` and `b`. */
export interface Term {
  readonly a: number;
  readonly b: number;
  readonly weight: number;
}
export type JetSlot = readonly Term[];

/** What a jet carries besides its value. */
export interface Carried {
  /** First derivatives. */
  readonly D: number;
  /**
   * Second-order slots: none, the Laplacian over all D coordinates (`true`), or slots as text such as `xx,2*xy+yy`, in
   * which x, y, z, t stand for the coordinates in their order.
   */
  readonly second: boolean | string;
}

const LETTERS = 'xyzt';

/** Slots as they stand in a kernel's parameters. */
export function secondOf(D: number, slots: readonly JetSlot[]): Carried['second'] {
  if (slots.length === 0) return false;
  const text = slots.map((slot) => slot.map(termText).join('+')).join(',');
  return text === laplacian(D).map(termText).join('+') ? true : text;
}

/** The inverse of {@link secondOf}. Throws a TypeError on text that names no slots. */
export function slotsOf({ D, second }: Carried): JetSlot[] {
  if (typeof second === 'boolean') return second ? [laplacian(D)] : [];
  return second.split(',').map((slot) => slot.split('+').map((term) => termOf(term, D)));
}

/** C, the channels of a jet. */
export const channelsOf = (carried: Carried): number => 1 + carried.D + slotsOf(carried).length;

const laplacian = (D: number): JetSlot => range(D).map((d) => ({ a: d, b: d, weight: 1 }));

const termText = ({ a, b, weight }: Term) => `${weight === 1 ? '' : `${weight}*`}${LETTERS[a]}${LETTERS[b]}`;

function termOf(text: string, D: number): Term {
  const [, weight, pair = ''] = /^(?:([\d.e-]+)\*)?([a-z]{2})$/.exec(text) ?? [];
  const [a = -1, b = -1] = [...pair].map((letter) => LETTERS.indexOf(letter));
  if (a < 0 || b < 0 || a >= D || b >= D)
    throw new TypeError(
      `second-order slots are written like xx,2*xy+yy over ${D} coordinates; ${text} is no part of any`,
    );
  return { a, b, weight: Number(weight ?? 1) };
}
