/** Pictures of a study: lambda_max against coupling, and through training. */
import { type Box, curve, Figure, logarithmic, type Point, WIDTH } from '../show/figure.ts';
import type { Measured, Study } from './study.ts';

const COLOURS = { ntk: '#c0392b', preconditioned: '#1f6fb4', layers: '#2e8b57', optimizer: '#8e44ad' };
const HEIGHT = 460;
const BOX: Box = { left: 90, top: 120, width: WIDTH - 140, height: HEIGHT - 200 };

/** SVG by file name; a study of one coupling and one epoch has none. */
export function figures(study: Study): Record<string, string> {
  const many = (pick: (m: Measured) => number) => new Set(study.measurements.map(pick)).size > 1;
  const last = Math.max(...study.measurements.map(({ epoch }) => epoch));
  const shown: Record<string, string> = {};
  if (many(({ coupling }) => coupling)) {
    const own = study.measurements.filter(({ epoch }) => epoch === last);
    const slope = study.slope
      ? `slope ${study.slope.ntk.toFixed(3)} from ${study.parameter} = ${study.slope.from} on`
      : '';
    shown['ntk-coupling.svg'] = draw(study, `against ${study.parameter}`, own, ({ coupling }) => coupling, slope);
  }
  if (many(({ epoch }) => epoch)) {
    const own = study.measurements.filter(({ coupling }) => coupling === study.measurements.at(-1)!.coupling);
    const { optimizer = '', weighting = '' } = study.training ?? {};
    // A logarithmic axis has no place for epoch 0.
    shown['ntk-training.svg'] = draw(
      study,
      `against epochs (from 1)`,
      own,
      ({ epoch }) => epoch + 1,
      `${optimizer}, ${weighting}`,
    );
  }
  return shown;
}

function draw(
  study: Study,
  against: string,
  own: readonly Measured[],
  x: (m: Measured) => number,
  note: string,
): string {
  const series = {
    'K = J Jᵀ': [COLOURS.ntk, (m: Measured) => m.ntk.lambdaMax],
    'K under network-wise Gauss-Newton': [COLOURS.preconditioned, (m: Measured) => m.preconditioned.lambdaMax],
    'under layer-wise Gauss-Newton': [COLOURS.layers, (m: Measured) => m.layers.lambdaMax],
    [`under live ${study.training?.optimizer ?? 'optimizer'}`]: [
      COLOURS.optimizer,
      (m: Measured) => m.optimizer?.lambdaMax,
    ],
  } as const;
  const seeds = [...new Set(own.map(({ seed }) => seed))];
  const lines = Object.entries(series).flatMap(([name, [colour, value]]) =>
    seeds.map((seed) => {
      const data = own
        .filter((m) => m.seed === seed && value(m) !== undefined)
        .map((m): Point => [x(m), value(m)!])
        .sort((a, b) => a[0] - b[0]);
      return { ...curve(name, data, colour, 1), showSymbol: true };
    }),
  );
  const drawn = lines.filter(({ data }) => data.length > 0);
  const values = drawn.flatMap(({ data }) => data.map(([, value]) => value!));
  const figure = new Figure(
    `lambda_max ${against}: ${study.system}`,
    [`${seeds.length} seeds`, note].filter(Boolean).join(', '),
    HEIGHT,
  );
  figure.lines(BOX, drawn, { x: logarithmic(own.map(x)), y: logarithmic(values) });
  const once = drawn.filter(({ name }, k) => drawn.findIndex((other) => other.name === name) === k);
  figure.legend(once, { left: BOX.left, bottom: 20 });
  return figure.svg();
}
