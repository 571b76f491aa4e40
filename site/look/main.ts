/** The page "Look inside": a formula, its derivatives, the compiler's work on them. */
import { type Device, DeviceLostError } from '../../engine/index.ts';
import { systemNamed, systems } from '../../systems/index.ts';
import { onState, readState, writeState } from '../shared/address.ts';
import { deviceOr } from '../shared/device.ts';
import { byId, el } from '../shared/dom.ts';
import { clearMistake, showMistake } from '../shared/mistake.ts';
import { Highlight } from './highlight.ts';
import { comparisons, lessons, stepNamed } from './lessons.ts';
import { planOf } from './plan.ts';
import { simplificationOf } from './simplification.ts';
import { type At, tour } from './tour.ts';
import {
  graphOfTrace,
  MAX_ORDER,
  orderOf,
  type Rule,
  relatives,
  rules,
  sentenceFor,
  type Trace,
  traceFormula,
  traceResidual,
} from './trace.ts';
import { float64Values, gpuValues, type InputValues } from './values.ts';
import { graphView, outputsView, scheduleView, tapeView } from './views.ts';

const EXAMPLES = ['x*sin(x)', 'exp(-(x^2))', 'tanh(2*x - 1)', 'x*y + sin(x*y)', 'sqrt(1 + x^2)'];
const START: { formula: string; applied: readonly Rule[] } = { formula: 'x*sin(x)', applied: ['grad', 'grad'] };

interface State {
  /** A formula, or `SYSTEM:RESIDUAL`. */
  formula: string;
  applied: readonly Rule[];
  values: InputValues;
  /** Where in the guided tour, while what is shown is what its step shows. */
  at?: At | undefined;
}

const formula = el('input', { type: 'text', id: 'formula', spellcheck: 'false', autocomplete: 'off' });
const choice = el(
  'select',
  { id: 'choice' },
  el('option', { value: '' }, 'choose..'),
  el('optgroup', { label: 'Formulas' }, ...EXAMPLES.map((text) => el('option', { value: text }, text))),
  ...systems.map(({ name, title, residuals }) =>
    el(
      'optgroup',
      { label: `Residuals of ${title}` },
      ...Object.entries(residuals).map(([residual, text]) =>
        el('option', { value: `${name}:${residual}` }, `${residual}: ${text}`),
      ),
    ),
  ),
);
const mistake = el('div', { class: 'error', id: 'mistake', role: 'alert' });
const derive = rules.map((rule) =>
  el('button', { type: 'button', onclick: () => apply([...state.applied, rule]) }, `+ ${rule}`),
);
const undo = el('button', { type: 'button', onclick: () => apply(state.applied.slice(0, -1)) }, 'undo');
const order = el('span', { class: 'muted' });
const numbers = el('div', { class: 'controls', id: 'values' });
const shown = el('input', { type: 'range', id: 'shown', min: 1, value: 1 });
const sentence = el('p', { id: 'sentence', 'aria-live': 'polite', class: 'status' });
const tapePlace = el('div', { id: 'tape' });
const passes = el('div', { class: 'controls', role: 'group', 'aria-label': 'Passes' });
const graphPlace = el('div', { id: 'simplified' });
const schedulePlace = el('div', { id: 'schedule' });
const valuesPlace = el('div', { id: 'outputs' });
const gpuPlace = el('div', { id: 'gpu' });

const guide = tour((at) => {
  const step = at && lessons[at.lesson]!.steps[at.step]!;
  state = step ? { formula: step.formula, applied: step.applied, values: {}, at } : { ...state, at };
  restart();
});

byId('app', HTMLDivElement).append(
  guide.element,
  el(
    'section',
    { class: 'panel', 'aria-label': 'What to look at' },
    el(
      'div',
      { class: 'controls' },
      el('label', { class: 'field wide', for: 'formula' }, 'Formula', formula),
      el('label', { class: 'field wide', for: 'choice' }, 'or one of these', choice),
    ),
    mistake,
    el('div', { class: 'controls' }, ...derive, undo, order),
    numbers,
    gpuPlace,
    valuesPlace,
  ),
  el(
    'div',
    { class: 'grid two' },
    el(
      'section',
      { class: 'panel', 'aria-labelledby': 'tape-title' },
      el('h2', { id: 'tape-title' }, 'The tape'),
      el('label', { class: 'field', for: 'shown' }, 'Let it grow node by node', shown),
      sentence,
      tapePlace,
    ),
    el(
      'div',
      {},
      el(
        'section',
        { class: 'panel', 'aria-labelledby': 'passes-title' },
        el('h2', { id: 'passes-title' }, 'Simplified, pass by pass'),
        passes,
        graphPlace,
      ),
      el(
        'section',
        { class: 'panel', 'aria-labelledby': 'schedule-title' },
        el('h2', { id: 'schedule-title' }, 'Compiled'),
        schedulePlace,
      ),
    ),
  ),
);

let state: State = fromAddress();
let device: Device | undefined;
/** Numbers the drawings, so that a slow answer of the GPU does not overwrite a later one. */
let drawing = 0;

function fromAddress(): State {
  const parameters = readState();
  const applied = (parameters.get('d') ?? '')
    .split(',')
    .flatMap((name) => rules.filter((rule) => rule === name))
    .filter((_, k, all) => orderOf(all.slice(0, k + 1)) <= MAX_ORDER);
  const values = [...parameters].flatMap(([name, text]) => {
    const value = Number(text);
    return name.startsWith('at.') && Number.isFinite(value) ? [[name.slice(3), value] as const] : [];
  });
  const given = parameters.get('f');
  if (given === null) return { ...START, values: {} };
  const at = stepNamed(parameters.get('tour'));
  const step = at && lessons[at.lesson]!.steps[at.step]!;
  const kept = step?.formula === given && step.applied.join() === applied.join();
  return { formula: given, applied, values: Object.fromEntries(values), at: kept ? at : undefined };
}

function toAddress(): void {
  const at = Object.fromEntries(Object.entries(state.values).map(([name, value]) => [`at.${name}`, value]));
  const place = state.at && `${state.at.lesson + 1}.${state.at.step + 1}`;
  writeState({ tour: place, f: state.formula, d: state.applied.join(',') || undefined, ...at });
}

/** Shows a state that came from elsewhere than the formula's own field. */
function restart(): void {
  formula.value = state.formula;
  choice.value = [...choice.options].some(({ value }) => value === state.formula) ? state.formula : '';
  toAddress();
  draw();
}

function traceOf({ formula: text, applied }: State): Trace {
  const [, system, residual] = /^([\w-]+):(.+)$/.exec(text) ?? [];
  if (system !== undefined) return traceResidual(systemNamed(system), residual!, applied);
  return traceFormula(text, applied);
}

/** Values of the inputs: those given, else a parameter's own or 0.5. */
function valuesOf(trace: Trace): InputValues {
  const [, system] = /^([\w-]+):/.exec(state.formula) ?? [];
  const parameters = system === undefined ? {} : systemNamed(system).parameters;
  return Object.fromEntries(
    Object.keys(trace.inputs).map((name) => [name, state.values[name] ?? parameters[name]?.value ?? 0.5]),
  );
}

function apply(applied: readonly Rule[]): void {
  state = { ...state, applied, at: undefined };
  toAddress();
  draw();
}

function draw(): void {
  for (const [k, button] of derive.entries()) button.disabled = orderOf([...state.applied, rules[k]!]) > MAX_ORDER;
  undo.disabled = state.applied.length === 0;
  order.textContent = `derivatives up to order ${orderOf(state.applied)} of ${MAX_ORDER}`;
  guide.show(state.at);
  let trace: Trace;
  try {
    trace = traceOf(state);
  } catch (error) {
    showMistake(error, state.formula, formula, mistake);
    return;
  }
  clearMistake(formula, mistake);
  const step = state.at && lessons[state.at.lesson]!.steps[state.at.step];
  guide.compare(step ? comparisons(step, trace, valuesOf(trace)) : []);
  drawNumbers(trace);
  drawTrace(trace);
}

/** A field for the value of each input; kept while the inputs stay the same, so that typing in one goes on. */
function drawNumbers(trace: Trace): void {
  const names = Object.keys(trace.inputs);
  const values = valuesOf(trace);
  if (names.join() === numbers.dataset['names']) return;
  numbers.dataset['names'] = names.join();
  numbers.replaceChildren(
    ...names.map((name) => {
      const field = el('input', { type: 'number', step: 'any', value: values[name]!, style: 'width: 7rem' });
      field.addEventListener('input', () => {
        if (field.value === '' || !Number.isFinite(field.valueAsNumber)) return;
        state = { ...state, values: { ...state.values, [name]: field.valueAsNumber } };
        toAddress();
        draw();
      });
      return el('label', { class: 'field' }, `${name} =`, field);
    }),
  );
}

function drawTrace(trace: Trace): void {
  const own = ++drawing;
  const given = valuesOf(trace);
  const exact = float64Values(trace, given);
  const highlight = new Highlight(
    (id) => relatives(trace, id),
    (ids) => {
      if (ids.length > 0)
        sentence.textContent = ids
          .slice(0, 3)
          .map((id) => sentenceFor(trace, id))
          .join(' ');
    },
  );
  const total = trace.tape.nodes.length;
  shown.max = String(total);
  shown.value = String(total);
  sentence.textContent = `${total} nodes. Point at any line, or move through a listing with the arrow keys.`;
  const drawTape = () => tapePlace.replaceChildren(tapeView(trace, highlight, Number(shown.value), exact));
  shown.oninput = () => {
    drawTape();
    highlight.point([Number(shown.value) - 1]);
  };
  drawTape();

  const steps = simplificationOf(graphOfTrace(trace));
  const choose = (at: number) => {
    for (const [k, button] of [...passes.children].entries()) button.setAttribute('aria-pressed', String(k === at));
    graphPlace.replaceChildren(graphView(steps[at]!.graph, steps[at]!, highlight));
  };
  passes.replaceChildren(
    ...steps.map(({ name, nodes }, k) =>
      el('button', { type: 'button', onclick: () => choose(k) }, `${name}: ${nodes}`),
    ),
  );
  const wanted = state.at && lessons[state.at.lesson]!.steps[state.at.step]!.pass;
  choose(wanted ?? steps.length - 1);
  schedulePlace.replaceChildren(scheduleView(planOf(trace, device), highlight));

  if (!valuesPlace.hasChildNodes() || !device) valuesPlace.replaceChildren(outputsView(trace, given, exact, undefined));
  if (device)
    gpuValues(device, trace, given).then(
      (found) => {
        if (own !== drawing) return;
        gpuPlace.replaceChildren();
        valuesPlace.replaceChildren(outputsView(trace, given, exact, found));
      },
      (error: Error) => {
        if (own !== drawing) return;
        const remedy = error instanceof DeviceLostError ? '; load the page again to open it' : '';
        gpuPlace.replaceChildren(el('p', { class: 'error', role: 'status' }, `${error.message}${remedy}`));
        valuesPlace.replaceChildren(outputsView(trace, given, exact, undefined));
      },
    );
}

formula.addEventListener('input', () => {
  state = { ...state, formula: formula.value, values: {}, at: undefined };
  choice.value = '';
  toAddress();
  draw();
});
choice.addEventListener('change', () => {
  if (choice.value === '') return;
  state = { ...state, formula: choice.value, values: {}, at: undefined };
  restart();
});
onState(() => {
  state = fromAddress();
  restart();
});

restart();
device = await deviceOr(gpuPlace);
if (device) draw();
