/** What a study of the tangent kernel found: as text, as JSON, as a page with figures. */
import { attempt, writeFiles } from '../disk/atomic.ts';
import { escaped, figure, page } from '../show/html.ts';
import { table } from '../show/table.ts';
import { figures } from './figures.ts';
import { type Measured, PUBLISHED, type Study } from './study.ts';

/** Measured means beside the published values. */
export function comparison(studies: readonly Study[]) {
  return PUBLISHED.map((published) => {
    const { means, measurements } = studies.find(({ system }) => system === published.system)!;
    const mean = means.find(({ coupling, epoch }) => coupling === published.coupling && epoch === means[0]!.epoch)!;
    const { bound } = measurements[0]!.preconditioned;
    return {
      ...mean,
      system: published.system,
      bound,
      published: { ntk: published.ntk, preconditioned: published.preconditioned },
    };
  });
}

export function comparisonText(studies: readonly Study[]): string {
  const rows = comparison(studies).map((row) => [
    row.system,
    String(row.coupling),
    row.ntk.toExponential(2),
    row.published.ntk.toExponential(1),
    row.preconditioned.toFixed(3),
    row.exact.toFixed(3),
    row.published.preconditioned.toFixed(1),
  ]);
  return `lambda_max beside the published values\n${table(['system', 'coupling', 'K', 'published', 'K_P', 'exact', 'published'], rows, [1, 2, 3, 4, 5, 6])}`;
}

export function studyText({
  system,
  parameter,
  rows,
  boundary,
  threshold: chosen,
  seeds,
  means,
  slope,
  measurements,
  training,
  adapter,
}: Study): string {
  const first = measurements[0]!;
  const live = training?.optimizer === 'gauss-newton' ? undefined : training;
  const body = means.map((mean) => [
    String(mean.coupling),
    String(mean.epoch),
    mean.ntk.toExponential(3),
    (2 / mean.ntk).toExponential(1),
    mean.block?.toExponential(3) ?? '-',
    mean.preconditioned.toFixed(4),
    mean.exact.toFixed(4),
    mean.layers.toFixed(3),
    ...(live ? [mean.optimizer?.toExponential(3) ?? '-'] : []),
  ]);
  const head = [
    parameter,
    'epoch',
    'K',
    '2/K',
    'block',
    'K_P',
    'K_P exact',
    'by layer',
    ...(live ? [`live ${live.optimizer}`] : []),
  ];
  const worst = Math.max(...measurements.map(({ ntk }) => ntk.gpu.difference));
  const influence = first.preconditioned.influence.map(({ threshold, ranks, lambdaMax }, k) => [
    threshold.toExponential(0),
    Object.entries(ranks)
      .map(([name, rank]) => `${name} ${rank}`)
      .join(', '),
    lambdaMax.toFixed(6),
    first.layers.influence[k]!.lambdaMax.toFixed(4),
  ]);
  return [
    `${system}: lambda_max, mean of seeds ${seeds.join(', ')}, on ${adapter}`,
    `${first.rows} rows (${rows.map(({ name, count }) => `${count} of ${name}`).join(', ')}), boundary rows ${boundary ? 'included' : 'left out'}`,
    table(
      head,
      body,
      head.map((_, k) => k),
    ),
    ...(slope
      ? [
          `log-log slope in ${parameter} from ${slope.from} on: K ${slope.ntk.toFixed(4)}${slope.optimizer === undefined ? '' : `, live ${training!.optimizer} ${slope.optimizer.toFixed(4)}`}`,
        ]
      : []),
    `K_P has ${first.preconditioned.bound} networks as its bound, by layer ${first.layers.bound}. K_P counts ${chosen > 0 ? `singular values above ${chosen} of the largest` : 'all that rows span as computed, rounding included'}; exact: in exact arithmetic. Rates are for r' = -K r.`,
    theoremsText(measurements),
    `Gram matrix of the GPU against J J^T in float64: ${worst.toExponential(1)}`,
    `influence of the threshold (${parameter} = ${first.coupling}, seed ${first.seed}):`,
    table(['threshold', 'ranks', 'K_P', 'by layer'], influence, [0, 2, 3]),
  ].join('\n');
}

/** What the measurements say of the paper's statements; of several measurements the ones that come nearest to breaking them. */
function theoremsText(measurements: readonly Measured[]): string {
  const shares = measurements.flatMap(({ ntk, theorems: { blocks } }) =>
    Object.values(blocks).flatMap((own) => Object.values(own).map((value) => value / ntk.lambdaMax)),
  );
  const { coupling } = measurements[0]!.theorems;
  const most = (pick: (m: Measured) => number) => Math.max(...measurements.map(pick));
  const least = Math.min(...measurements.map(({ theorems }) => theorems.stability.above));
  const which = coupling
    ? `block: lambda_max of the largest coupling block, here ${coupling.network} in ${coupling.residual}; kappa^2 sigma^2 of Theorem 1 where the coupling is linear. `
    : '';
  return [
    `${which}No block may exceed K: the largest has ${Math.max(...shares).toFixed(4)} of it (Theorem 1).`,
    `2/K (Corollary 1): r <- r - eta K r changes |r| to ${most(({ theorems }) => theorems.stability.below).toExponential(1)} of it at 0.99 of this rate, at 1.01 to ${least.toExponential(1)}.`,
    `Ranges of layers lie within ${most(({ theorems }) => theorems.outside).toExponential(1)} of their network's (Proposition 1, part 3).`,
  ].join('\n');
}

/** Writes ntk.json, the figures, and ntk.html with the tables and the figures together. */
export function writeStudies(folder: string, document: unknown, studies: readonly Study[]): void {
  const drawn = studies.flatMap((each) =>
    Object.entries(figures(each)).map(([name, svg]): [string, string] => [
      studies.length > 1 ? `${each.system}-${name}` : name,
      svg,
    ]),
  );
  const files = new Map([
    ['ntk.json', `${JSON.stringify(document, null, 1)}\n`],
    ...drawn,
    ['ntk.html', studiesPage(studies)],
  ]);
  attempt(folder, () => writeFiles(folder, files));
}

function studiesPage(studies: readonly Study[]): string {
  const title = 'The tangent kernel, plain and preconditioned';
  const text = (lines: string) => `<pre>${escaped(lines)}</pre>`;
  const every = PUBLISHED.every(({ system }) => studies.some((study) => study.system === system));
  return page(title, [
    `<h1>${title}</h1>`,
    ...(every ? [text(comparisonText(studies))] : []),
    ...studies.flatMap((study) => [
      `<h2>${escaped(study.system)}</h2>`,
      text(studyText(study)),
      ...Object.values(figures(study)).map((svg) => figure(svg, `${study.system}: largest eigenvalues`)),
    ]),
  ]);
}
