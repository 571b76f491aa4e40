/** Series of NTK measurements: seeds, couplings, snapshots of a training run; their means and slopes. */
import type { Device } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';
import {
  type Coordinates,
  countOf,
  initialThetas,
  type Parameters,
  type Problem,
  problemOf,
  type Run,
  resolveParameters,
  type System,
  systemNamed,
} from '../../systems/index.ts';
import { isFirstOrder } from '../training/hyperparameters.ts';
import { loop, type Observer } from '../training/loop.ts';
import { DivergenceError, emptyRecord, firstLost, watchDivergence } from '../training/recorder.ts';
import { problemFor, type TrainSettings, UsageError } from '../training/settings.ts';
import { type Backend, type RunTrainer, Trainer } from '../training/trainer.ts';
import { trainerFor } from '../training/trainers.ts';
import { liveStates, parametersOf } from './live.ts';
import { type Measurement, NtkMeter, type State } from './meter.ts';
import type { RowGroup } from './tape.ts';

export interface StudyOptions {
  readonly settings: TrainSettings;
  /** Values of the coupling parameter; those of the settings alone where empty. */
  readonly couplings: readonly number[];
  /** Epochs at which to measure; the initial weights alone, without an optimizer, where empty. */
  readonly epochs: readonly number[];
  readonly points?: number;
  readonly boundary: boolean;
  readonly threshold: number;
  readonly spectrum: boolean;
}

export interface Measured extends Measurement {
  readonly coupling: number;
  readonly seed: number;
  readonly epoch: number;
}

/** Means over seeds. */
export interface Mean {
  readonly coupling: number;
  readonly epoch: number;
  readonly ntk: number;
  readonly preconditioned: number;
  readonly exact: number;
  readonly layers: number;
  /** Of the largest coupling block: see `Theorems`. */
  readonly block?: number;
  readonly optimizer?: number;
}

export interface Slope {
  /** Couplings from here on. */
  readonly from: number;
  readonly ntk: number;
  readonly optimizer?: number;
}

export interface Study {
  readonly system: string;
  readonly parameters: Parameters;
  readonly network: TrainSettings['network'];
  readonly parameter: string;
  readonly rows: readonly RowGroup[];
  readonly boundary: boolean;
  readonly threshold: number;
  readonly seeds: readonly number[];
  readonly training?: Pick<TrainSettings, 'optimizer' | 'weighting'> & {
    readonly learningRate?: number;
    readonly betas?: readonly [number, number];
  };
  readonly adapter: string;
  readonly means: readonly Mean[];
  readonly slope?: Slope;
  readonly measurements: readonly Measured[];
}

/** Rows of a system in two dimensions unless asked for: every point has several rows. */
const ROW_POINTS = 200;
/** From here on the published slopes are fitted. */
const SLOPE_FROM = 10;

export async function study(
  device: Device,
  options: StudyOptions,
  versions: Readonly<Record<string, string>>,
  tell: (text: string) => void,
): Promise<Study> {
  const { settings, boundary, threshold, spectrum } = options;
  const system = systemNamed(settings.system);
  const { parameter } = system.coupling;
  const backend = { device, library, versions };
  const measurements: Measured[] = [];
  let rows: readonly RowGroup[] = [];
  for (const coupling of couplingsOf(system, options)) {
    const parameters = coupled(system, settings.parameters, coupling);
    const problem = problemFor({ ...settings, parameters });
    const measured = problem.runs.map((run) => ({ ...run, points: rowPoints(system, run, options.points) }));
    const meter = await NtkMeter.create(
      { problem: problemOf(system, measured.slice(0, 1), settings.network), boundary },
      backend,
    );
    const measure = async (epoch: number, states: readonly State[]) => {
      for (const [r, run] of measured.entries()) {
        const measurement = await meter.measure(run, states[r]!, { threshold, spectrum });
        tell(line(parameter, coupling, run.seed, epoch, measurement));
        measurements.push({ coupling, seed: run.seed, epoch, ...measurement });
      }
    };
    try {
      rows = meter.model.rows;
      if (options.epochs.length > 0) await alongTraining(problem, options, backend, measure);
      else await measure(0, initialStates(problem));
    } finally {
      await meter.destroy();
    }
  }
  const means = meansOf(measurements);
  const slope = slopeOf(means);
  return {
    system: system.name,
    parameters: settings.parameters,
    network: settings.network,
    parameter,
    rows,
    boundary,
    threshold,
    seeds: settings.seeds,
    ...(options.epochs.length > 0 ? { training: trainingOf(settings) } : {}),
    adapter: device.info.name,
    means,
    ...(slope ? { slope } : {}),
    measurements,
  };
}

function trainingOf(settings: TrainSettings): NonNullable<Study['training']> {
  const { optimizer, weighting } = settings;
  if (!isFirstOrder(settings)) return { optimizer, weighting };
  const { learningRate, betas } = settings;
  return { optimizer, weighting, learningRate, betas };
}

function couplingsOf(system: System, { couplings, settings }: StudyOptions): readonly number[] {
  if (couplings.length > 0) return couplings;
  const { parameter, sets = [parameter] } = system.coupling;
  return [settings.parameters[sets[0]!]!];
}

function coupled(system: System, parameters: Parameters, coupling: number): Record<string, number> {
  const { parameter, sets = [parameter] } = system.coupling;
  const own = resolveParameters(system, { [parameter]: coupling });
  return { ...parameters, ...Object.fromEntries(sets.map((name) => [name, own[name]!])) };
}

/** Throws {@link UsageError} where a study asks for more points than there are. */
export function checkPoints(options: StudyOptions): void {
  const system = systemNamed(options.settings.system);
  for (const coupling of couplingsOf(system, options)) {
    const parameters = coupled(system, options.settings.parameters, coupling);
    for (const run of problemFor({ ...options.settings, parameters }).runs) rowPoints(system, run, options.points);
  }
}

/** Points of the rows: the run's own, or so many of the interior at even distances in their order. */
function rowPoints(system: System, { points }: Run, asked?: number): Run['points'] {
  const available = countOf(points['interior']!);
  const wanted = asked ?? (system.coordinates.length > 1 ? Math.min(ROW_POINTS, available) : available);
  if (wanted > available)
    throw new UsageError(`--points must be at most ${available}, the interior points of ${system.name}, not ${wanted}`);
  const pick = (k: number) => (wanted === 1 ? 0 : Math.round((k * (available - 1)) / (wanted - 1)));
  const interior: Coordinates = Object.fromEntries(
    Object.entries(points['interior']!).map(([name, all]) => [
      name,
      Float64Array.from({ length: wanted }, (_, k) => all[pick(k)]!),
    ]),
  );
  return { ...points, interior };
}

const initialStates = (problem: Problem): State[] =>
  problem.runs.map((run) => ({ thetas: initialThetas({ ...problem, runs: [run] }) }));

/** Trains, and measures at the epochs asked for. Throws {@link DivergenceError} where a run is lost on the way. */
async function alongTraining(
  problem: Problem,
  { settings, epochs }: StudyOptions,
  backend: Backend,
  measure: (epoch: number, states: readonly State[]) => Promise<void>,
): Promise<void> {
  const trainer = await trainerFor(settings, problem, backend);
  try {
    const records = problem.runs.map(emptyRecord);
    const observers: readonly Observer[] = [
      watchDivergence({ records, terms: trainer.terms, score: settings.score }, 'first'),
      async ({ epoch }) => void (await measure(epoch, await statesOf(trainer))) as undefined,
    ];
    if (epochs.includes(trainer.epoch)) await measure(trainer.epoch, await statesOf(trainer));
    const next = (epoch: number) => epochs.find((each) => each > epoch) ?? epoch + 1;
    await loop(trainer, { epochs: epochs.at(-1)!, observers, next, waits: true });
    const lost = firstLost(records, problem.runs);
    if (lost) throw new DivergenceError(lost);
  } finally {
    trainer.destroy();
  }
}

/** What each run holds: of optimizers of sums of squares the parameters alone, they carry no preconditioner. */
const statesOf = async (trainer: RunTrainer): Promise<State[]> =>
  trainer instanceof Trainer ? liveStates(trainer) : parametersOf(trainer);

const line = (parameter: string, coupling: number, seed: number, epoch: number, m: Measurement): string =>
  `${parameter} = ${coupling}, seed ${seed}, epoch ${epoch}: lambda_max(K) = ${m.ntk.lambdaMax.toExponential(3)}, lambda_max(K_P) = ${m.preconditioned.lambdaMax.toFixed(4)}`;

export function meansOf(all: readonly Measured[]): Mean[] {
  const keys = [...new Set(all.map(({ coupling, epoch }) => `${coupling} ${epoch}`))];
  return keys.map((key) => {
    const own = all.filter(({ coupling, epoch }) => `${coupling} ${epoch}` === key);
    const mean = (pick: (m: Measured) => number) => own.reduce((sum, m) => sum + pick(m), 0) / own.length;
    return {
      coupling: own[0]!.coupling,
      epoch: own[0]!.epoch,
      ntk: mean((m) => m.ntk.lambdaMax),
      preconditioned: mean((m) => m.preconditioned.lambdaMax),
      exact: mean((m) => m.preconditioned.exact),
      layers: mean((m) => m.layers.lambdaMax),
      ...(own.every((m) => m.theorems.coupling) ? { block: mean((m) => m.theorems.coupling!.lambdaMax) } : {}),
      ...(own.every((m) => m.optimizer) ? { optimizer: mean((m) => m.optimizer!.lambdaMax) } : {}),
    };
  });
}

/** Slope of log lambda in log coupling by least squares, at the last epoch, over couplings that dominate. */
export function slopeOf(means: readonly Mean[]): Slope | undefined {
  const last = Math.max(...means.map(({ epoch }) => epoch));
  const own = means.filter(({ coupling, epoch }) => coupling >= SLOPE_FROM && epoch === last);
  if (own.length < 2) return undefined;
  const slope = (pick: (mean: Mean) => number) => {
    const points = own.map((mean) => [Math.log(mean.coupling), Math.log(pick(mean))] as const);
    const [x, y] = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis]!, 0) / points.length);
    const across = points.reduce((sum, point) => sum + (point[0] - x!) * (point[1] - y!), 0);
    return across / points.reduce((sum, point) => sum + (point[0] - x!) ** 2, 0);
  };
  return {
    from: SLOPE_FROM,
    ntk: slope(({ ntk }) => ntk),
    ...(own.every(({ optimizer }) => optimizer !== undefined)
      ? { optimizer: slope(({ optimizer }) => optimizer!) }
      : {}),
  };
}

/** NTK at initialisation as published, by system and coupling: the paper's third table. */
export const PUBLISHED: readonly { system: string; coupling: number; ntk: number; preconditioned: number }[] = [
  { system: 'symmetric', coupling: 0.1, ntk: 8.1e3, preconditioned: 2 },
  { system: 'symmetric', coupling: 100, ntk: 1.9e7, preconditioned: 2 },
  { system: 'thermoelasticity', coupling: 1, ntk: 1.4e4, preconditioned: 2 },
  { system: 'thermoelasticity', coupling: 50, ntk: 1.8e7, preconditioned: 2 },
  { system: 'reaction-diffusion', coupling: 0.5, ntk: 1.8e4, preconditioned: 3 },
  { system: 'reaction-diffusion', coupling: 30, ntk: 1.5e7, preconditioned: 3 },
  { system: 'nernst-planck-poisson', coupling: 0.02, ntk: 2.2e4, preconditioned: 3 },
  { system: 'nernst-planck-poisson', coupling: 0.1, ntk: 1.9e4, preconditioned: 3 },
];
