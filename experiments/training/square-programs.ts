/** The programs behind a system's sum of squares, compiled and sharing what they can. */
import {
  type Arithmetic,
  type CompileOptions,
  compile,
  doubleSingleOn,
  Program,
  type Source,
  UserError,
} from '../../engine/index.ts';
import { doubleSingleLibrary } from '../../kernels/index.ts';
import {
  appliedSource,
  COLUMNS,
  gramSource,
  type LossModel,
  learnedNames,
  type NetworkLayers,
  type Problem,
  parameterCount,
  residualSource,
  rowsSource,
  transposedSource,
} from '../../systems/index.ts';
import type { Precision } from './hyperparameters.ts';
import { type Backend, compileOptions } from './trainer.ts';

/** A system too large to be factorized. */
export class TooManyRowsError extends UserError {
  override readonly name = 'TooManyRowsError';
}

/** Rows of the largest matrix that is factorized: 0.5 GiB, a minute and more. */
const MOST_ROWS = 8000;

/** Steps of a line search that are evaluated in one go. */
export const CANDIDATES = 4;

export interface SquarePrograms {
  readonly residuals: Program;
  readonly rows: Program;
  /** Where K is computed on the device. */
  readonly gram?: Program;
  readonly transposed: Program;
  readonly applied: Program;
}

export interface CompiledSquares {
  readonly programs: SquarePrograms;
  readonly networks: readonly NetworkLayers[];
  readonly model: LossModel;
  /** Factors of rows that the programs do not share, by name. */
  readonly copied: readonly string[];
}

/** Where K is computed; nowhere, for optimizers that ask for no matrix. */
export type Matrices = 'host' | 'device' | 'none';

/** For a problem of one run. Throws {@link TooManyRowsError}, ArithmeticError. */
export async function squarePrograms(
  problem: Problem,
  { precision, matrices }: { readonly precision: Precision; readonly matrices: Matrices },
  backend: Backend,
): Promise<CompiledSquares> {
  if (matrices !== 'none') checkSize(problem);
  const { device } = backend;
  const float32 = compileOptions(backend);
  const double = precision === 'single' ? float32 : doubled(float32, (await doubleSingleOn(device)).arithmetic);
  const { model, source: rowsOf, networks } = rowsSource(problem);
  const factors = Object.keys(rowsOf.outputs).filter((name) => name !== COLUMNS);
  const ofFactors: CompileOptions = precision === 'mixed' ? { ...double, singles: factors } : double;
  const residuals = await Program.create(device, compile(residualSource(problem, CANDIDATES), double));
  const rows = await Program.create(device, compile(rowsOf, precision === 'double' ? double : float32));
  // What has a buffer to itself is read where it lies.
  const shared = factors.filter((name) => {
    const { slot, at, shape } = rows.plan.outputs[name]!;
    const { elements, names } = rows.plan.slots[slot]!;
    return at === 0 && names.length === 1 && elements === shape.reduce((a, b) => a * b, 1);
  });
  const share = Object.fromEntries(shared.map((name) => [name, { program: rows, name }]));
  const create = (source: Source) => Program.create(device, compile(source, ofFactors), share);
  const programs = {
    residuals,
    rows,
    ...(matrices === 'device' ? { gram: await create(gramSource(networks)) } : {}),
    transposed: await create(transposedSource(networks)),
    applied: await create(appliedSource(networks, problem)),
  };
  const copied = factors.filter((name) => !shared.includes(name));
  return { programs, networks, model, copied };
}

/** Throws {@link TooManyRowsError}. */
function checkSize({ system, counts, stacks }: Problem): void {
  const conditions = system.conditions.map(({ group, residuals }) => residuals.length * counts[group]!);
  const rows = [Object.keys(system.residuals).length * counts['interior']!, ...conditions].reduce((a, b) => a + b);
  const ofNetworks = stacks.map(({ networks, architecture }) => networks.length * parameterCount(architecture));
  const parameters = ofNetworks.reduce((a, b) => a + b, learnedNames(system).length);
  if (Math.min(rows, parameters) > MOST_ROWS)
    throw new TooManyRowsError(
      `gauss-newton would factorize a matrix of ${Math.min(rows, parameters)} rows (${rows} residuals, ${parameters} parameters); its limit is ${MOST_ROWS}`,
      { remedy: 'take fewer points (--thin 5) or smaller networks (--width 20 --depth 3)' },
    );
}

/** Compilation to double-single with the kernels written for it. */
const doubled = ({ device }: CompileOptions, arithmetic: Arithmetic): CompileOptions => ({
  device,
  arithmetic,
  library: doubleSingleLibrary,
});
