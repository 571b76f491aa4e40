/** Fields and residuals of the trainings over the domain: curves on a line, pictures in the plane. */
import type { Method } from '../../experiments/training/hyperparameters.ts';
import { el } from '../shared/dom.ts';
import { type Colour, chartCanvas, drawLines, type Series, short } from './chart.ts';
import { type Curve, type Prepared, pictureKey, type Quantity, type Range, type Standing } from './messages.ts';
import { rangeOf } from './range.ts';

export const colours: Readonly<Record<Method, Colour>> = { soap: 1, adam: 2, 'gauss-newton': 3 };
export const names: Readonly<Record<Method, string>> = { soap: 'SOAP', adam: 'Adam', 'gauss-newton': 'Gauss-Newton' };

export const titled = (title: string, ...content: readonly HTMLElement[]): HTMLElement =>
  el('div', {}, el('h3', {}, title), ...content);

/** Pixels of a picture along each side. */
const PIXELS = 400;

export interface Figures {
  /** In the plane: what the worker draws into, by {@link pictureKey}. */
  readonly pictures: Readonly<Record<string, OffscreenCanvas>>;
  draw(standings: readonly Standing[]): void;
}

/** Fills the two places with what the trainings will show. */
export function figuresFor(prepared: Prepared, fieldPlace: HTMLElement, residualPlace: HTMLElement): Figures {
  const plane = Object.keys(prepared.evaluation).length > 1;
  for (const place of [fieldPlace, residualPlace]) place.className = plane ? 'grid pictures' : 'grid two';
  return plane ? planes(prepared, fieldPlace, residualPlace) : curves(prepared, fieldPlace, residualPlace);
}

function curves(prepared: Prepared, fieldPlace: HTMLElement, residualPlace: HTMLElement): Figures {
  const { fields, exact, residuals, evaluation, interior } = prepared;
  const [coordinate] = Object.keys(evaluation);
  const charts = new Map<string, HTMLCanvasElement>();
  const chart = (of: Quantity, name: string) => {
    const canvas = chartCanvas(`${of === 'field' ? 'Field' : 'Residual'} ${name} over ${coordinate}`);
    charts.set(pictureKey(of, name), canvas);
    return titled(of === 'field' && exact[name] ? `${name}: reference dashed` : name, canvas);
  };
  fieldPlace.replaceChildren(...fields.map((name) => chart('field', name)));
  residualPlace.replaceChildren(...residuals.map((name) => chart('residual', name)));

  const draw = (of: Quantity, name: string, x: Float64Array, found: readonly (readonly [Method, Curve])[]) => {
    const reference = of === 'field' ? exact[name] : undefined;
    const series = found.map(
      ([method, { values }]): Series => ({ label: names[method], x, y: values, colour: colours[method] }),
    );
    const dashed: Series[] = reference ? [{ label: 'reference', x, y: reference, colour: 0, dashed: true }] : [];
    drawLines(charts.get(pictureKey(of, name))!, [...series, ...dashed]);
  };
  return {
    pictures: {},
    draw(standings) {
      const found = (of: 'fields' | 'residuals', name: string) =>
        standings.map((each) => [each.optimizer, each[of].find((curve) => curve.name === name)!] as const);
      for (const name of fields) draw('field', name, evaluation[coordinate!]!, found('fields', name));
      for (const name of residuals) draw('residual', name, interior[coordinate!]!, found('residuals', name));
    },
  };
}

function planes(prepared: Prepared, fieldPlace: HTMLElement, residualPlace: HTMLElement): Figures {
  const { fields, exact, residuals, optimizers, evaluation } = prepared;
  const [across, up] = Object.keys(evaluation);
  const pictures: Record<string, OffscreenCanvas> = {};
  const scales = new Map<string, HTMLElement>();
  const scale = ([low, high]: Range) => `${short(low)} dark .. ${short(high)} light`;
  const picture = (title: string, of: Quantity, name: string, optimizer?: Method) => {
    const key = pictureKey(of, name, optimizer);
    const label = `${of === 'field' ? 'Field' : 'Residual'} ${title}: ${across} to the right, ${up} upwards`;
    const canvas = el('canvas', { class: 'plane', role: 'img', 'aria-label': label, width: PIXELS, height: PIXELS });
    canvas.dataset['key'] = key;
    pictures[key] = canvas.transferControlToOffscreen();
    const range = el('p', { class: 'scale' }, of === 'field' && exact[name] ? scale(rangeOf(exact[name])) : '');
    if (!exact[name] || of === 'residual') scales.set(key, range);
    return titled(title, canvas, range);
  };
  const ofEach = (of: Quantity, name: string) =>
    optimizers.map((method) => picture(`${name}, ${names[method]}`, of, name, method));
  fieldPlace.replaceChildren(
    ...fields.flatMap((name) => [
      ...ofEach('field', name),
      ...(exact[name] ? [picture(`${name}, reference`, 'field', name)] : []),
    ]),
  );
  residualPlace.replaceChildren(...residuals.flatMap((name) => ofEach('residual', name)));
  return {
    pictures,
    draw(standings) {
      for (const { ranges } of standings)
        for (const [key, range] of Object.entries(ranges)) {
          const place = scales.get(key);
          if (place) place.textContent = scale(range);
        }
    },
  };
}
