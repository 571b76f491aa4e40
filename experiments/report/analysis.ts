/**
 * The paper's own readings of its tables (sections 7.1 to 7.3, appendix B), applied to ours beside the printed values:
 * variation over seeds, degradation with its marks, the factors one by one, what SOAP costs, how LRA fails.
 */

import { type Method, publishedCell } from '../sweep/published.ts';
import { isFirstOrder } from '../training/hyperparameters.ts';
import { count, type Found, type MethodRow, ratioText, type SystemReport, scientific } from './data.ts';

/** A table of the report. */
export interface Reading {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly note: string;
}

interface Value {
  readonly mean: number;
  readonly std?: number;
}

/** Coefficient of variation: deviation over mean. */
export const variation = ({ mean, std }: Value): number | undefined => (std === undefined ? undefined : std / mean);

/** Above this final error at the strongest coupling the paper prints FAIL for the degradation: inferred, it fits every row. */
const FAILED = 0.1;
/** A degradation below 1 is marked as noise where the variation at either end is above this: inferred likewise. */
const NOISY = 0.7;

/** What the paper prints for a degradation: the ratio, `†` where an improvement likely reflects noise, FAIL. */
export function degradationText(weakest: Value | undefined, strongest: Value | undefined): string | undefined {
  if (!weakest || !strongest) return undefined;
  if (strongest.mean > FAILED) return 'FAIL';
  const ratio = strongest.mean / weakest.mean;
  const noisy = [weakest, strongest].some((end) => (variation(end) ?? 0) > NOISY);
  return `${ratioText(ratio)}${ratio < 1 && noisy ? '†' : ''}`;
}

const percent = (share: number | undefined): string => (share === undefined ? '–' : `${(100 * share).toFixed(0)}%`);

function variations({ rows, coupling, couplings, beside }: SystemReport): Reading {
  const ends = (row: MethodRow) => [row.cells[0]!, row.cells.at(-1)!] as const;
  const [weak, strong] = [couplings[0], couplings.at(-1)].map((value) => `CV, ${coupling} = ${value}`);
  return {
    title: 'Variation over seeds',
    head: ['method', weak!, strong!, 'degradation', ...(beside ? ['published CVs', 'published'] : [])],
    rows: rows.map((row) => {
      const [weakest, strongest] = ends(row);
      const ours = [weakest, strongest].map(({ final }) => (final ? percent(variation(final)) : 'missing'));
      const theirs = [weakest, strongest].map(({ published }) => (published ? percent(variation(published)) : '–'));
      return [
        row.name,
        ...ours,
        degradationText(weakest.final, strongest.final) ?? 'missing',
        ...(beside
          ? [theirs.join(', '), degradationText(weakest.published, strongest.published) ?? 'not published']
          : []),
      ];
    }),
    note: `CV: deviation over mean of the final errors; of one seed there is none. FAIL: the final error at the strongest coupling is above ${FAILED}. †: an improvement, with a CV above ${percent(NOISY)} at one end: likely noise.${beside ? " Both rules are inferred from the paper's rows." : ''}`,
  };
}

/** The methods that section 7.2 compares. */
const METHODS: Readonly<Record<string, Method>> = {
  Adam: { optimizer: 'adam', weighting: 'none' },
  SOAP: { optimizer: 'soap', weighting: 'none' },
  'Adam+GN': { optimizer: 'adam', weighting: 'grad-norm' },
  'SOAP+GN': { optimizer: 'soap', weighting: 'grad-norm' },
};

/** Section 7.2: what preconditioning does without balancing, and what balancing adds to it. */
function factors({ system, rows, coupling, couplings }: SystemReport): Reading {
  const at = (name: string, end: 0 | -1, of: 'final' | 'published') =>
    of === 'final'
      ? rows.find((row) => row.name === name)?.cells.at(end)?.final
      : publishedCell(system, METHODS[name]!, couplings.at(end)!);
  const over = (a: [string, 0 | -1], b: [string, 0 | -1], of: 'final' | 'published') => {
    const [above, below] = [at(...a, of), at(...b, of)];
    if (above && below) return ratioText(above.mean / below.mean);
    const absent = [
      [a, above],
      [b, below],
    ] as const;
    const which = absent.flatMap(([[name, end], value]) =>
      value ? [] : [`${name} at ${coupling} = ${couplings.at(end)}`],
    );
    return of === 'published' ? 'not published' : `missing: ${which.join('; ')}`;
  };
  const line = (what: string, a: [string, 0 | -1], b: [string, 0 | -1]) => [
    what,
    over(a, b, 'final'),
    over(a, b, 'published'),
  ];
  return {
    title: 'Factors (section 7.2)',
    head: ['factor', 'ours', 'published'],
    rows: [
      line('preconditioning: error of Adam over that of SOAP, strongest coupling', ['Adam', -1], ['SOAP', -1]),
      line('degradation of SOAP alone', ['SOAP', -1], ['SOAP', 0]),
      line('degradation with balancing: SOAP+GN', ['SOAP+GN', -1], ['SOAP+GN', 0]),
      line('preconditioning with balancing: Adam+GN over SOAP+GN', ['Adam+GN', -1], ['SOAP+GN', -1]),
    ],
    note: 'Final errors, means over seeds.',
  };
}

/** How much longer a step of SOAP takes than one of Adam with the same weighting, of runs trained in stacks of one height. */
function cost({ ids }: SystemReport, { record, summaries }: Found): Reading {
  const runs = record.runs.filter(({ id }) => ids.includes(id));
  const weightings = [...new Set(runs.filter(isFirstOrder).map(({ weighting }) => weighting))];
  const rows = weightings.map((weighting) => {
    const times = (optimizer: string) =>
      runs.flatMap((run) => {
        const found = run.weighting === weighting && run.optimizer === optimizer ? summaries.get(run.id) : undefined;
        return found?.msPerStep ? [found.msPerStep / ((found.stackedWith ?? 0) + 1)] : [];
      });
    const [adam, soap] = [median(times('adam')), median(times('soap'))];
    const text = (value: number | undefined) => (value === undefined ? 'missing' : `${value.toPrecision(3)} ms`);
    return [weighting, text(adam), text(soap), adam && soap ? ratioText(soap / adam) : 'missing'];
  });
  return {
    title: 'Cost of SOAP over Adam',
    head: ['weighting', 'Adam', 'SOAP', 'ratio'],
    rows,
    note: "Milliseconds of a run's step: the time of a stack's step over the runs in it, medians over runs; machines and their load may differ between runs.",
  };
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** The smallest error of every seed, and its epoch. */
function bests({ ids, rows, coupling, couplings }: SystemReport, { record, summaries }: Found): Reading {
  const runs = record.runs.filter(({ id }) => ids.includes(id));
  const cell = ({ optimizer, weighting }: MethodRow, value: number) => {
    const own = runs.filter(
      (run) => run.optimizer === optimizer && run.weighting === weighting && run.coupling.value === value,
    );
    const said = own.flatMap(({ id, seed }) => {
      const best = summaries.get(id)?.best;
      return best?.error == null ? [] : [`${scientific(best.error)} at ${count(best.epoch)} (seed ${seed})`];
    });
    return said.join('; ') || 'missing';
  };
  return {
    title: 'Best error by epoch',
    head: ['method', ...couplings.map((value) => `${coupling} = ${value}`)],
    rows: rows.map((row) => [row.name, ...couplings.map((value) => cell(row, value))]),
    note: "An oracle's choice: the smallest error at any look, and the epoch of that look.",
  };
}

/** Section 7.3: how far the weights of LRA went. Undefined where no such run has finished. */
function lra({ ids }: SystemReport, { record, summaries, histories }: Found): Reading | undefined {
  const runs = record.runs.filter(({ id, weighting }) => ids.includes(id) && weighting === 'lra' && summaries.has(id));
  if (runs.length === 0) return undefined;
  const rows = runs.map(({ id }) => {
    const history = histories.get(id) ?? [];
    const all = history.flatMap(({ epoch, weights }) =>
      Object.entries(weights).flatMap(([term, weight]) => (weight === null ? [] : [{ epoch, term, weight }])),
    );
    const most = all.reduce<(typeof all)[number] | undefined>((a, b) => (a && a.weight >= b.weight ? a : b), undefined);
    const { final, losses } = summaries.get(id)!;
    const said = Object.entries(losses).map(([term, loss]) => `${term} ${loss === null ? 'none' : scientific(loss)}`);
    return [
      id,
      final.error === null ? 'lost' : scientific(final.error),
      most ? `${scientific(most.weight)}, ${most.term}, epoch ${count(most.epoch)}` : 'no history',
      said.join(', '),
    ];
  });
  return {
    title: 'LRA (section 7.3)',
    head: ['run', 'final error', 'largest weight', 'loss terms at the end'],
    rows,
    note: 'The paper sees residuals of the equations vanish at constant quasi-neutral states while boundary conditions are violated, and weights grow without bound.',
  };
}

/** All readings of a system. */
export function readingsOf(system: SystemReport, found: Found): Reading[] {
  const several = system.couplings.length > 1;
  const failure = lra(system, found);
  return [
    ...(several ? [variations(system)] : []),
    ...(several && system.beside ? [factors(system)] : []),
    cost(system, found),
    bests(system, found),
    ...(failure ? [failure] : []),
  ];
}
