/** The controls of the page "Train": what they show is a Spec, what they change is a Spec. */
import { type System, systemNamed } from '../../systems/index.ts';
import { el } from '../shared/dom.ts';
import { gallery, paper } from '../shared/gallery.ts';
import { clearMistake, showMistake } from '../shared/mistake.ts';
import { type Contest, isContest, mistakeIn, parametersOf, RANGES, type Spec } from './spec.ts';

const CONTEST_NAMES: Readonly<Record<Contest, string>> = {
  soap: 'SOAP',
  adam: 'Adam',
  'gauss-newton': 'Gauss-Newton',
  'adam,soap': 'Adam beside SOAP',
  'soap,gauss-newton': 'SOAP beside Gauss-Newton',
  'adam,gauss-newton': 'Adam beside Gauss-Newton',
};
const WEIGHTINGS = { none: 'none', 'grad-norm': 'gradient norms', lra: 'learning rate annealing' } as const;

export interface Controls {
  readonly element: HTMLElement;
  show(spec: Spec): void;
}

function options(all: Readonly<Record<string, string>>): HTMLOptionElement[] {
  return Object.entries(all).map(([value, name]) => el('option', { value }, name));
}

/** `change` is told of every spec that makes sense; a mistake in an equation is shown at its place instead. */
export function controls(current: () => Spec, change: (spec: Spec) => void): Controls {
  const titles = (all: readonly System[]) => options(Object.fromEntries(all.map(({ name, title }) => [name, title])));
  const system = el(
    'select',
    { id: 'system' },
    el('optgroup', { label: 'Systems of the paper' }, ...titles(paper)),
    el('optgroup', { label: 'Gallery' }, ...titles(gallery)),
  );
  const optimizer = el('select', { id: 'optimizer' }, ...options(CONTEST_NAMES));
  const weighting = el('select', { id: 'weighting' }, ...options(WEIGHTINGS));
  const seed = el('input', { id: 'seed', type: 'number', min: 0, max: 2 ** 32 - 1, step: 1 });
  const equations = el('div', { id: 'equations' });
  const details = el('details', {}, el('summary', {}, 'Edit the equations'), equations);

  /** A slider with its value beside it. */
  const slider = (id: string, label: string, set: (spec: Spec, value: number) => Spec) => {
    const input = el('input', { type: 'range', id });
    const value = el('output', { for: id });
    const say = () => {
      value.textContent = input.dataset['values']
        ? input.dataset['values'].split(',')[input.valueAsNumber]!
        : input.value;
    };
    input.addEventListener('input', say);
    input.addEventListener('change', () => change(set(current(), input.valueAsNumber)));
    return {
      input,
      say,
      element: el('label', { class: 'field', for: id }, el('span', {}, `${label}: `, value), input),
    };
  };
  /** What the slider of the coupling goes over: the published values, and the present one. */
  let strengths: readonly number[] = [];
  const coupling = slider('coupling', 'Coupling', (spec, at) => ({ ...spec, coupling: strengths[at] }));
  const hidden = slider('depth', 'Hidden layers', (spec, value) => ({ ...spec, hidden: value }));
  const width = slider('width', 'Width', (spec, value) => ({ ...spec, width: value }));
  const points = slider('points', 'Points inside', (spec, value) => ({ ...spec, points: value }));

  const choose = (select: HTMLSelectElement, set: (spec: Spec, value: string) => Spec) =>
    select.addEventListener('change', () => change(set(current(), select.value)));
  choose(system, (spec, name) => {
    const { architecture } = systemNamed(name);
    return { ...spec, system: name, coupling: undefined, points: undefined, edited: {}, ...architecture };
  });
  choose(optimizer, (spec, name) => (isContest(name) ? { ...spec, optimizers: name } : spec));
  choose(weighting, (spec, name) => ({
    ...spec,
    weighting: (['none', 'grad-norm', 'lra'] as const).find((each) => each === name)!,
  }));
  seed.addEventListener('change', () => {
    if (seed.validity.valid && seed.value !== '') change({ ...current(), seed: seed.valueAsNumber });
  });

  /** A field for each residual of a system; a text that is a mistake stays in its field, and out of the spec. */
  let fields: { readonly system: string; readonly update: (spec: Spec) => void } | undefined;
  function showEquations(spec: Spec): void {
    if (fields?.system !== spec.system) {
      const rows = Object.entries(systemNamed(spec.system).residuals).map(([name, own]) => equation(name, own));
      equations.replaceChildren(...rows.map((row) => row.element));
      fields = { system: spec.system, update: (next) => rows.forEach((row) => void row.update(next)) };
    }
    fields.update(spec);
  }

  function equation(name: string, own: string): { element: HTMLElement; update: (spec: Spec) => void } {
    const field = el('input', { type: 'text', id: `r-${name}`, spellcheck: 'false' });
    const place = el('div', { class: 'error', role: 'alert', id: `mistake-${name}` });
    let shown: string | undefined;
    const told = (spec: Spec): boolean => {
      const mistake = mistakeIn(spec, name);
      if (mistake) showMistake(mistake, field.value, field, place);
      else clearMistake(field, place);
      return mistake !== undefined;
    };
    field.addEventListener('change', () => {
      const { [name]: _, ...others } = current().edited;
      const next = { ...current(), edited: field.value === own ? others : { ...others, [name]: field.value } };
      if (!told(next)) change(next);
    });
    return {
      element: el('label', { class: 'field', for: `r-${name}` }, `${name} = 0, with ${name} =`, field, place),
      update(spec) {
        const text = spec.edited[name] ?? own;
        if (text === shown) return;
        shown = text;
        field.value = text;
        if (told(spec)) details.open = true;
      },
    };
  }

  const element = el(
    'section',
    { class: 'panel', 'aria-label': 'Problem' },
    el('h2', {}, 'Problem'),
    el(
      'div',
      { class: 'settings' },
      el('label', { class: 'field', for: 'system' }, 'System', system),
      coupling.element,
      el('label', { class: 'field', for: 'optimizer' }, 'Optimizer', optimizer),
      el('label', { class: 'field', for: 'weighting' }, 'Balancing of the loss terms', weighting),
      hidden.element,
      width.element,
      points.element,
      el('label', { class: 'field', for: 'seed' }, 'Seed', seed),
    ),
    details,
  );

  return {
    element,
    show(spec) {
      const own = systemNamed(spec.system);
      const { parameter, sets = [parameter], values } = own.coupling;
      system.value = spec.system;
      optimizer.value = spec.optimizers;
      weighting.value = spec.weighting;
      seed.value = String(spec.seed);
      const strength = parametersOf(spec)[sets[0]!] ?? 0;
      const grows = values[0]! <= values.at(-1)! ? 1 : -1;
      strengths = [...new Set([...values, strength])].sort((a, b) => grows * (a - b));
      coupling.input.dataset['values'] = strengths.map((value) => `${parameter} = ${value}`).join(',');
      const inside = Object.values(own.points(parametersOf(spec), spec.seed)['interior']!)[0]!.length;
      const set = (slide: typeof hidden, low: number, high: number, value: number, step = 1) => {
        Object.assign(slide.input, { min: String(low), max: String(high), step: String(step) });
        slide.input.value = String(value);
        slide.say();
      };
      coupling.element.hidden = values.length === 0;
      set(coupling, 0, strengths.length - 1, strengths.indexOf(strength));
      set(hidden, ...RANGES.hidden, spec.hidden);
      set(width, RANGES.width[0], RANGES.width[1], spec.width, 4);
      set(points, RANGES.points[0], Math.max(inside, 400), spec.points ?? inside, 10);
      showEquations(spec);
    },
  };
}
