/**
 * Runs golden cases through the GPU programs and through the float64 interpreter. Tolerances: interpreter 1e-9; on the
 * GPU 1e-4 for losses and gradients, 1e-2 for trajectories, 1e-3 for SOAP; initial weights exact in float32.
 */
import { compile, evaluate, graphOf, Program, type Source, simplify } from '../../engine/index.ts';
import {
  type Coordinates,
  initialTheta,
  inputValues,
  type NetworkRows,
  problemOf,
  type Run,
  resolveParameters,
  type System,
  shareThetas,
  stacksOf,
  systemNamed,
} from '../../systems/index.ts';
import { flatten } from '../../systems/initialise.ts';
import { termsSource } from '../training/tapes.ts';
import type { Backend } from '../training/trainer.ts';
import { type GoldenCase, GoldenError, type SoapCase, type SystemCase, type TorchInitCase } from './golden.ts';
import { distance, type Quantity, quantity, relative } from './quantity.ts';
import { followSoap } from './soap.ts';
import { type Start, trajectoryQuantities } from './trajectory.ts';

export interface CaseResult {
  readonly file: string;
  readonly ok: boolean;
  readonly quantities: readonly Quantity[];
}

const EXACT = { interpreter: 1e-9, gpu: 1e-4, soap: 1e-3 };

/** Throws GoldenError where a case asks for what is not built. */
export async function verifyCase(golden: GoldenCase, backend: Backend): Promise<CaseResult> {
  const quantities = await quantitiesOf(golden, backend);
  return { file: golden.file, ok: quantities.every(({ ok }) => ok), quantities };
}

async function quantitiesOf(golden: GoldenCase, backend: Backend): Promise<Quantity[]> {
  switch (golden.kind) {
    case 'system':
      return systemQuantities(golden, backend);
    case 'torch-init':
      return initQuantities(golden);
    case 'soap':
      return soapQuantities(golden, backend);
  }
}

async function soapQuantities(golden: SoapCase, backend: Backend): Promise<Quantity[]> {
  const [rows, columns] = golden.shape;
  if (!golden.biasCorrection) throw new GoldenError(`${golden.file}: only SOAP with bias correction is built`);
  if (Math.max(rows, columns) <= golden.maxPrecondDim && rows !== columns)
    throw new GoldenError(
      `${golden.file}: shape [${golden.shape}] cannot be followed: a gradient that is not square leaves part of SOAP's first basis arbitrary; take a square shape`,
    );
  const { gpu, interpreter } = await followSoap(golden, backend);
  const name = `weights after each of ${golden.steps} steps`;
  return [quantity(`interpreter: ${name}`, interpreter, EXACT.interpreter), quantity(`gpu: ${name}`, gpu, EXACT.soap)];
}

/** Points of a case by group, with values that were given for them. */
function runOf(system: System, golden: SystemCase): Run {
  const known = Object.fromEntries(Object.entries(golden.params).filter(([name]) => name in system.parameters));
  const parameters = resolveParameters(system, known);
  const points: Record<string, Coordinates> = { ...system.points(parameters, golden.seed) };
  const D = system.coordinates.length;
  for (const [group, { shape, data }] of golden.points) {
    if (shape[1] !== D || !(group in points)) continue;
    points[group] = Object.fromEntries(
      system.coordinates.map((c, d) => [c, Float64Array.from({ length: shape[0] }, (_, n) => data[n * D + d]!)]),
    );
  }
  return { parameters, seed: golden.seed, points };
}

/** Problem and initial parameters of a case. */
export function startOf(golden: SystemCase): Start {
  const system = systemNamed(golden.system);
  const problem = problemOf(system, [runOf(system, golden)], golden.network);
  const rows: NetworkRows = Object.fromEntries(golden.networks.map((net) => [net.name, flatten(net)]));
  return { problem, thetas: shareThetas(problem, [rows]) };
}

async function systemQuantities(golden: SystemCase, backend: Backend): Promise<Quantity[]> {
  const { problem, thetas } = startOf(golden);
  const { system } = problem;
  const { model, source } = termsSource({ problem, weighting: 'grad-norm' });
  const values: Record<string, ArrayLike<number>> = {
    ...inputValues(problem, model.data),
    ...thetas,
    weights: model.terms.map(() => 1),
  };
  const interpreted = interpret(source, values);
  const computed = await compute(source, values, backend);

  const quantities = [
    ...compareTerms('interpreter', golden, system, model.terms, interpreted, EXACT.interpreter),
    ...compareTerms('gpu', golden, system, model.terms, computed, EXACT.gpu),
  ];
  for (const [key, trajectory] of Object.entries(golden.trajectories))
    quantities.push(...(await trajectoryQuantities(key, trajectory, { problem, thetas }, backend)));
  return quantities;
}

type Named = Readonly<Record<string, ArrayLike<number>>>;

/** Outputs of a source by the interpreter. */
export function interpret({ inputs, outputs }: Source, values: Named, rounding: 'f64' | 'f32' = 'f64'): Named {
  const given = Object.keys(inputs).map((name) => values[name]!);
  const found = evaluate(simplify(graphOf(Object.values(inputs), Object.values(outputs))), given, rounding);
  return Object.fromEntries(Object.keys(outputs).map((name, k) => [name, found[k]!]));
}

/** The same outputs by the device. */
export async function compute(source: Source, values: Named, backend: Backend): Promise<Named> {
  const plan = compile(source, { ...backend, device: backend.device.capabilities });
  const program = await Program.create(backend.device, plan);
  try {
    for (const [name, data] of Object.entries(values)) program.write(name, data);
    return await program.run(1, Object.keys(source.outputs));
  } finally {
    program.destroy();
  }
}

function compareTerms(
  where: string,
  golden: SystemCase,
  system: System,
  terms: readonly string[],
  values: Readonly<Record<string, ArrayLike<number>>>,
  tolerance: number,
): Quantity[] {
  const stacks = stacksOf(system, golden.network);
  return terms.flatMap((term, k) => {
    const gradients = stacks.map((_, s) => values[`gradient.${term}.${s}`]!);
    const ordered = system.networks.flatMap(({ name }) => {
      const s = stacks.findIndex(({ networks }) => networks.includes(name));
      const P = gradients[s]!.length / stacks[s]!.networks.length;
      const row = stacks[s]!.networks.indexOf(name);
      return Array.from({ length: P }, (_, p) => gradients[s]![row * P + p]!);
    });
    const reference = golden.grads?.get(term);
    return [
      quantity(`${where}: loss ${term}`, relative(values['losses']![k]!, golden.losses[term]!), tolerance),
      ...(reference ? [quantity(`${where}: gradient of ${term}`, distance(ordered, reference), tolerance)] : []),
      quantity(
        `${where}: L2 norm of the gradient of ${term}`,
        relative(values['l2']![k]!, golden.gradL2[term]!),
        tolerance,
      ),
      quantity(`${where}: largest gradient of ${term}`, relative(values['max']![k]!, golden.gradMax[term]!), tolerance),
    ];
  });
}

function initQuantities({ cases }: TorchInitCase): Quantity[] {
  return cases.map(({ seed, hidden, width, inputs, nets }) => {
    const system = {
      coordinates: Array.from({ length: inputs }, (_, d) => String(d)),
      networks: nets.map(({ name, layers }) => ({
        name,
        fields: Array.from({ length: layers.at(-1)!.shape[0] }, (_, k) => String(k)),
      })),
    };
    const rows = initialTheta(system, { hidden, width }, seed);
    let wrong = 0;
    for (const { name, layers } of nets) {
      let at = 0;
      for (const { shape, first4, last2, l2 } of layers) {
        const size = shape[0] * shape[1];
        const W = Array.from({ length: size }, (_, k) => rows[name]![at + k]!);
        const given = [...first4, ...last2];
        const mine = [...W.slice(0, first4.length), ...W.slice(-last2.length)];
        const norm = Math.sqrt(W.reduce((sum, w) => sum + w * w, 0));
        wrong = Math.max(
          wrong,
          ...mine.map((w, k) => Math.abs(w - Math.fround(given[k]!))),
          relative(norm, l2) > 1e-6 ? 1 : 0,
        );
        at += size + shape[0];
      }
    }
    return quantity(`initial weights of ${nets.length} networks ${hidden} x ${width}, seed ${seed}`, wrong, 0);
  });
}
