/** Tables of measurements: what is read, and what is refused with its line. */
import { describe, expect, it } from 'vitest';
import { CsvError, defineSystem, parseCsv } from '../../systems/index.ts';

describe('a table', () => {
  it('is read by column, whatever its line ends and spaces', () => {
    expect(parseCsv('x, u\r\n0,1e-3\r\n\r\n -2.5 ,4\n')).toEqual({
      x: Float64Array.of(0, -2.5),
      u: Float64Array.of(1e-3, 4),
    });
  });

  it.each([
    ['', /^there is no line in it/],
    ['x,u\n', /^there is no line of numbers/],
    ['0,1\n2,3', /^line 1: it must hold the names of the columns, not "0,1"/],
    ['x,x\n1,2', /^line 1: there are two columns x/],
    ['x,u\n1', /^line 2: it has 1 columns, the line of names 2/],
    ['x,u\n1,2\n\n3,two', /^line 4: "two" of u is no finite number/],
    ['x,u\n1,', /^line 2: "" of u/],
    ['x,u\n1,Infinity', /^line 2: "Infinity" of u/],
  ])('%j is refused', (text, says) => {
    expect(() => parseCsv(text)).toThrow(CsvError);
    expect(() => parseCsv(text)).toThrow(says);
  });

  it('that a definition names is refused with its place, its file and its line', () => {
    const define = (readText: () => string | undefined) =>
      defineSystem(
        {
          name: 'a',
          coordinates: { x: [0, 1] },
          fields: ['u'],
          residuals: { r: 'u.x' },
          observations: [{ file: 'm.csv' }],
        },
        { readText },
      );
    expect(() => define(() => 'x,u\n1,?')).toThrow(/^observations\[0\].file: m.csv: line 2: "\?" of u/);
    expect(() => define(() => undefined)).toThrow(/^observations\[0\].file: there is no file m.csv/);
    expect(define(() => 'x,u\n1,2').observed).toEqual({ data: { u_data: Float64Array.of(2) } });
  });
});
