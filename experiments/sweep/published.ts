/** The paper's tables (arXiv 2605.23391; PAPER.md section 4), as printed: final error, mean and deviation of three seeds. */
import type { Weighting } from '../../optim/index.ts';
import type { Optimizer } from '../../systems/index.ts';

/** How a run is trained; Gauss-Newton's weighting is `none`. */
export interface Method {
  readonly optimizer: Optimizer | 'gauss-newton';
  readonly weighting: Weighting;
}

export interface PublishedCell {
  readonly mean: number;
  /** With ddof 1. */
  readonly std: number;
}

interface Row extends Method {
  /** In order of the couplings. */
  readonly cells: readonly PublishedCell[];
}

export interface PublishedTable {
  /** From the weakest coupling to the strongest, as in the tables' columns; the paper names them only in part. */
  readonly couplings: readonly number[];
  /** How sure it is that these couplings are the paper's. */
  readonly inferred?: string;
  readonly rows: readonly Row[];
}

/** A line of a table as it is printed: `4.23e-3 +- 1.41e-3 | ..`. */
function row(optimizer: Optimizer, weighting: Weighting, line: string): Row {
  const cells = line.split('|').map((cell): PublishedCell => {
    const [mean, std] = cell.split('+-').map(Number) as [number, number];
    return { mean, std };
  });
  return { optimizer, weighting, cells };
}

export const published: Readonly<Record<string, PublishedTable>> = {
  thermoelasticity: {
    couplings: [1, 5, 10, 20, 50],
    inferred: 'the paper names five values from 1 to 50 only by their range; 5, 10 and 20 are our choice',
    rows: [
      row(
        'adam',
        'none',
        '4.23e-3 +- 1.41e-3 | 2.14e-3 +- 8.06e-4 | 5.78e-3 +- 3.94e-3 | 9.95e-3 +- 3.33e-3 | 1.38e-2 +- 5.05e-3',
      ),
      row(
        'soap',
        'none',
        '7.91e-5 +- 1.86e-5 | 7.71e-5 +- 7.78e-6 | 8.57e-5 +- 1.11e-5 | 9.70e-5 +- 1.84e-5 | 9.83e-5 +- 1.47e-5',
      ),
      row(
        'adam',
        'lra',
        '8.88e-4 +- 1.21e-3 | 2.83e-3 +- 4.87e-3 | 3.32e-5 +- 2.35e-5 | 1.78e-4 +- 7.75e-5 | 1.70e-4 +- 1.23e-4',
      ),
      row(
        'soap',
        'lra',
        '2.76e-4 +- 2.35e-4 | 1.94e-4 +- 1.75e-4 | 8.52e-5 +- 1.47e-5 | 3.92e-5 +- 2.13e-5 | 3.83e-4 +- 2.53e-4',
      ),
      row(
        'adam',
        'grad-norm',
        '4.34e-3 +- 6.68e-3 | 9.41e-3 +- 7.56e-3 | 3.57e-3 +- 4.53e-3 | 6.22e-3 +- 4.30e-3 | 1.40e-3 +- 1.76e-3',
      ),
      row(
        'soap',
        'grad-norm',
        '6.26e-5 +- 2.15e-5 | 4.56e-5 +- 2.39e-5 | 1.18e-4 +- 1.66e-5 | 1.01e-4 +- 1.10e-4 | 6.87e-5 +- 8.29e-6',
      ),
    ],
  },
  'reaction-diffusion': {
    couplings: [0.5, 5, 10, 30],
    inferred:
      'the paper does not print its four values; 0.5 and 30 are those of its table of eigenvalues, 5 and 10 our choice',
    rows: [
      row('adam', 'none', '3.47e-3 +- 2.34e-3 | 5.74e-3 +- 5.62e-3 | 3.94e-3 +- 1.23e-3 | 1.12e-2 +- 3.43e-3'),
      row('soap', 'none', '9.90e-5 +- 4.42e-5 | 1.07e-4 +- 4.56e-5 | 8.37e-5 +- 3.45e-5 | 8.05e-5 +- 4.91e-5'),
      row('adam', 'lra', '4.44e-5 +- 6.02e-5 | 1.64e-4 +- 2.35e-4 | 1.79e-3 +- 1.46e-3 | 8.29e-4 +- 4.73e-4'),
      row('soap', 'lra', '7.58e-5 +- 5.61e-5 | 3.42e-4 +- 2.48e-4 | 6.40e-5 +- 1.72e-5 | 1.96e-4 +- 1.35e-4'),
      row('adam', 'grad-norm', '1.55e-3 +- 1.32e-3 | 4.63e-4 +- 5.20e-4 | 3.40e-3 +- 2.61e-3 | 7.68e-4 +- 5.51e-4'),
      row('soap', 'grad-norm', '1.04e-4 +- 3.31e-5 | 7.48e-5 +- 4.01e-5 | 6.78e-5 +- 3.10e-5 | 9.30e-5 +- 1.78e-5'),
    ],
  },
  'nernst-planck-poisson': {
    couplings: [1, 0.5, 0.2],
    inferred:
      "the paper does not print its three values; these are the ones with which its code comes near its table's Adam row",
    rows: [
      row('adam', 'none', '3.74e-3 +- 5.90e-3 | 2.09e-3 +- 1.59e-3 | 3.76e-2 +- 2.33e-3'),
      row('soap', 'none', '8.53e-5 +- 4.36e-5 | 2.08e-4 +- 8.85e-5 | 9.31e-4 +- 2.92e-4'),
      row('adam', 'lra', '4.90e-1 +- 1.39e-2 | 5.73e-1 +- 4.44e-2 | 8.62e-1 +- 6.38e-2'),
      row('soap', 'lra', '2.90e-4 +- 6.79e-5 | 1.46e-4 +- 1.34e-4 | 5.25e-1 +- 4.54e-1'),
      row('adam', 'grad-norm', '3.55e-3 +- 1.61e-3 | 1.96e-3 +- 1.01e-3 | 3.65e-1 +- 3.18e-1'),
      row('soap', 'grad-norm', '2.21e-4 +- 1.12e-4 | 7.89e-5 +- 1.87e-5 | 2.31e-4 +- 6.15e-5'),
    ],
  },
  'electroosmotic-flow': {
    couplings: [0.2, 0.1, 0.05],
    rows: [
      row('adam', 'grad-norm', '9.12e-1 +- 7.41e-2 | 1.07e+0 +- 9.76e-3 | 1.27e+0 +- 4.36e-3'),
      row('soap', 'grad-norm', '1.32e-3 +- 8.14e-4 | 2.85e-3 +- 1.78e-3 | 1.50e-2 +- 1.07e-2'),
    ],
  },
};

/** The printed cell of a system at a coupling, if there is one. */
export function publishedCell(
  system: string,
  { optimizer, weighting }: Method,
  coupling: number,
): PublishedCell | undefined {
  const table = published[system];
  const found = table?.rows.find((each) => each.optimizer === optimizer && each.weighting === weighting);
  return found?.cells[table!.couplings.indexOf(coupling)];
}

/** `Adam+GN`, `SOAP`, .. as the paper writes them, where GN is grad-norm; `Gauss-Newton`. */
export function methodName({ optimizer, weighting }: Method): string {
  if (optimizer === 'gauss-newton') return 'Gauss-Newton';
  const balance = { none: '', lra: '+LRA', 'grad-norm': '+GN' }[weighting];
  return `${optimizer === 'soap' ? 'SOAP' : 'Adam'}${balance}`;
}
