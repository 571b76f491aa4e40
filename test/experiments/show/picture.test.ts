import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type FieldPicture,
  fieldsPicture,
  type HistoryPicture,
  surfacePicture,
} from '../../../experiments/show/picture.ts';
import { rasterOf } from '../../../experiments/show/raster.ts';

const x = Float64Array.from({ length: 21 }, (_, i) => i / 20);
const field = (name: string, error = 1e-3): FieldPicture => ({
  name,
  exact: x.map((at) => at ** 2),
  prediction: Float32Array.from(x, (at) => at ** 2 + error * at),
  relativeError: error,
});
const history: HistoryPicture = {
  epoch: [25, 50, 75],
  terms: { heat: [1, 0.1, 0.01], wall: [0.5, 0.2, 0.1] },
  error: [1, 0.5, 0.1],
};
const empty: HistoryPicture = { epoch: [], terms: { heat: [] }, error: [] };
const caption = { title: 'Thermoelasticity', subtitle: 'gamma = 10', x, xName: 'position', history };

/** Texts as shown; fails where the SVG is not well-formed or holds what no reader can draw. */
function texts(svg: string): string[] {
  const open: string[] = [];
  const body = svg.replace(/<!\[CDATA\[.*?\]\]>/gs, '');
  for (const [, close, name, rest] of body.matchAll(/<(\/?)([\w:]+)([^<>]*)>/g)) {
    if (close) expect(open.pop()).toBe(name);
    else if (!rest!.endsWith('/')) open.push(name!);
    expect(rest).toMatch(/^(\s+[\w:-]+="[^"]*")*\s*\/?$/);
  }
  expect(open).toEqual([]);
  expect(body.replace(/>[^<>]*</g, '><')).not.toMatch(/NaN|undefined|Infinity/);
  return [...body.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text!);
}

describe('fieldsPicture', () => {
  it('names what it shows', () => {
    const found = texts(fieldsPicture({ ...caption, fields: [field('temperature'), field('displacement', 1e-7)] }));
    for (const text of [
      'Thermoelasticity',
      'gamma = 10',
      'position',
      'temperature',
      'displacement',
      'heat',
      'wall',
      'epoch',
    ])
      expect(found).toContain(text);
    expect(found).toContain('relative L² error 0.1 %');
    expect(found).toContain('relative L² error 1.0·10⁻⁵ %');
    expect(found).toContain('prediction − exact (10⁻⁷)');
    expect(found.filter((text) => text === 'prediction')).toHaveLength(1);
  });

  it('grows with its fields', () => {
    const heights = [1, 2, 3].map((n) => {
      const svg = fieldsPicture({ ...caption, fields: Array.from({ length: n }, (_, i) => field(`field-${i}`)) });
      expect(texts(svg)).toContain(`field-${n - 1}`);
      return Number(/height="(\d+)"/.exec(svg)![1]);
    });
    expect(heights[1]! - heights[0]!).toBeGreaterThan(200);
    expect(heights[2]! - heights[1]!).toBe(heights[1]! - heights[0]!);
  });

  it('escapes what it is given', () => {
    const name = '<b a="1">&\'';
    const svg = fieldsPicture({
      ...caption,
      title: name,
      xName: name,
      fields: [field(name)],
      history: { ...history, terms: { [name]: [1, 1, 1] } },
    });
    expect(texts(svg).filter((text) => text.startsWith('&lt;b a=')).length).toBeGreaterThanOrEqual(4);
  });

  it('leaves gaps for what is not a number', () => {
    const broken = {
      ...field('u'),
      prediction: x.map((at) => (at > 0.5 ? Number.NaN : at)),
      relativeError: Number.NaN,
    };
    const terms = { heat: [1, Number.NaN, 0.1], wall: [0, -1, Number.POSITIVE_INFINITY] };
    const found = texts(fieldsPicture({ ...caption, fields: [broken], history: { ...history, terms } }));
    expect(found).toContain('relative L² error not a number');
    expect(found).not.toContain('no values');
    const lost = { ...broken, prediction: x.map(() => Number.NaN) };
    expect(texts(fieldsPicture({ ...caption, fields: [lost] }))).toContain('no values');
  });

  it('says that there is no history', () => {
    const found = texts(fieldsPicture({ ...caption, fields: [field('u')], history: empty }));
    expect(found.filter((text) => text === 'no values')).toHaveLength(2);
  });

  it('draws in the order of x, wherever the points come from', () => {
    const backwards = (values: ArrayLike<number>) => Float64Array.from(values).reverse();
    const u = field('u');
    const turned = { ...u, prediction: backwards(u.prediction), exact: backwards(u.exact) };
    const plain = (svg: string) => svg.replaceAll(/zr\d+/g, 'zr');
    const reversed = fieldsPicture({ ...caption, x: backwards(x), fields: [turned] });
    expect(plain(reversed)).toBe(plain(fieldsPicture({ ...caption, fields: [u] })));
  });
});

describe('surfacePicture', () => {
  const [nx, ny] = [6, 4];
  const grid = Array.from({ length: nx * ny }, (_, i) => [(i % nx) / (nx - 1), Math.floor(i / nx) / (ny - 1)] as const);
  const exact = grid.map(([a, b]) => a * b);
  const caption2 = { title: 'Poisson', subtitle: 'k = 4', x: grid.map(([a]) => a), y: grid.map(([, b]) => b), nx, ny };

  it('shows prediction, exact and error of each field, with two colour bars', () => {
    const fields = ['u', 'v'].map((name) => ({
      name,
      exact,
      prediction: exact.map((e) => e + 1e-5),
      relativeError: 0.02,
    }));
    const svg = surfacePicture({ ...caption2, fields, history });
    const found = texts(svg);
    for (const text of ['Poisson', 'k = 4', 'u', 'v', 'prediction', 'exact', 'rel. L² 2 %', '×10⁻⁵'])
      expect(found).toContain(text);
    expect(svg.match(/<image /g)).toHaveLength(2 * 5);
  });

  it('survives equal, missing and no values', () => {
    const constant = exact.map(() => 3);
    const lost = { name: 'u', exact: constant, prediction: exact.map(() => Number.NaN), relativeError: Number.NaN };
    const found = texts(
      surfacePicture({
        ...caption2,
        fields: [lost, { ...lost, prediction: constant, relativeError: 0 }],
        history: empty,
      }),
    );
    expect(found).toContain('rel. L² not a number');
    expect(found).toContain('rel. L² 0 %');
  });
});

describe('rasterOf', () => {
  /** Palette indices by row, the topmost first. */
  function pixels(address: string, width: number): number[][] {
    const bytes = Buffer.from(address.split(',')[1]!, 'base64');
    const at = bytes.indexOf('IDAT');
    const data = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
    return Array.from({ length: data.length / (width + 1) }, (_, row) => [
      ...data.subarray(row * (width + 1) + 1, (row + 1) * (width + 1)),
    ]);
  }

  it('puts the first row at the bottom, x to the right, and keeps apart what is missing', () => {
    const missing = { values: [0, 1, 2, 3, 4, Number.NaN], nx: 3, ny: 2 };
    const coarse = pixels(rasterOf(missing, [0, 4], 'viridis', [3, 2]), 3);
    expect(coarse.map((row) => row.map((at) => at === 255))).toEqual([
      [false, true, true],
      [false, true, true],
    ]);
    const fine = pixels(rasterOf({ values: [0, 1, 2, 3], nx: 2, ny: 2 }, [0, 3], 'viridis', [3, 3]), 3);
    expect(fine[1]![1]).toBe(127);
    expect(fine[0]![0]!).toBeGreaterThan(fine[2]![2]!);
    expect(fine[2]![2]!).toBeGreaterThan(fine[2]![0]!);
  });
});
