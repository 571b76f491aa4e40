/** Points drawn anew while a trainer is under way: at random, or where residuals are large. */
import type { Program } from '../../engine/index.ts';
import {
  type Coordinates,
  chosen,
  countOf,
  type DataInput,
  inputValues,
  nameOf,
  type Problem,
  type Resampling,
  type Run,
  type System,
} from '../../systems/index.ts';

/** What of a trainer holds its points. */
interface Sampled {
  readonly options: { readonly problem: Problem };
  readonly compiled: { readonly data: { readonly training: readonly DataInput[] } };
  readonly programs: { readonly step: Program; readonly residuals?: Program };
}

/** Whether new points are due before the step that follows on an epoch. */
export const movesAt = ({ resampling }: System, epoch: number): boolean =>
  resampling !== undefined && epoch > 0 && epoch % resampling.every === 0;

/** A run with the points that the step after an epoch is taken at, where these are drawn at random. */
export function drawnAt({ resampling, points }: System, run: Run, epoch: number): Run {
  if (!resampling) return run;
  return { ...run, points: points(run.parameters, run.seed, Math.floor(epoch / resampling.every)) };
}

/** Inputs that change with the points; what was measured stays where it is. */
function moving({ options: { problem }, compiled: { data }, programs: { step } }: Sampled): DataInput[] {
  const { resampling, observed = {} } = problem.system;
  if (!resampling) return [];
  return data.training.filter(
    (datum) => datum.kind !== 'parameter' && !(datum.group in observed) && nameOf(datum) in step.plan.inputs,
  );
}

/** Their names: what a snapshot holds of the points. */
export const pointInputs = (trainer: Sampled): string[] => moving(trainer).map(nameOf);

/** Writes the points that are due before the step that follows on an epoch. */
export async function resample(trainer: Sampled, epoch: number): Promise<void> {
  const { system, runs } = trainer.options.problem;
  const { resampling } = system;
  if (!resampling) return;
  const round = epoch / resampling.every;
  const drawn = runs.map((run) => ({ ...run, points: system.points(run.parameters, run.seed, round) }));
  const { adaptive } = resampling;
  const moved = adaptive ? await adapted(trainer, drawn, adaptive, round) : drawn;
  write(trainer, moved, moving(trainer));
}

function write(
  { options: { problem }, programs: { step } }: Sampled,
  runs: readonly Run[],
  data: readonly DataInput[],
): void {
  for (const [name, values] of Object.entries(inputValues({ system: problem.system, runs }, data)))
    step.write(name, values);
}

/** Interior points chosen among candidates by the residuals there, which the compiled equations give. */
async function adapted(
  trainer: Sampled,
  runs: readonly Run[],
  adaptive: NonNullable<Resampling['adaptive']>,
  round: number,
): Promise<Run[]> {
  const { residuals } = trainer.programs;
  if (!residuals) throw new Error('points that adapt need the program of the residuals');
  const interior = moving(trainer).filter((datum) => datum.kind !== 'parameter' && datum.group === 'interior');
  const count = trainer.options.problem.counts['interior']!;
  const pools = runs.map(({ seed }) => adaptive.draw(seed, round, count * adaptive.pool));
  const errors = pools.map((pool) => new Float32Array(countOf(pool)));
  for (let from = 0; from < countOf(pools[0]!); from += count) {
    const batch = runs.map((run, r) => ({ ...run, points: { interior: part(pools[r]!, from, count) } }));
    write(trainer, batch, interior);
    await residuals.run();
    const found = await residuals.read('residual');
    errors.forEach((own, r) => {
      own.set(found.subarray(r * count, (r + 1) * count), from);
    });
  }
  return runs.map((run, r) => {
    const best = chosen(errors[r]!, count, adaptive, run.seed, round);
    return { ...run, points: { ...run.points, interior: picked(pools[r]!, best) } };
  });
}

const part = (points: Coordinates, from: number, count: number): Coordinates =>
  Object.fromEntries(Object.entries(points).map(([name, values]) => [name, values.subarray(from, from + count)]));

const picked = (points: Coordinates, which: readonly number[]): Coordinates =>
  Object.fromEntries(
    Object.entries(points).map(([name, values]) => [name, Float64Array.from(which, (k) => values[k]!)]),
  );
