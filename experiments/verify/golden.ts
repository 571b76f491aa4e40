/** Golden cases: reference data from outside, checked before it is used. */
import { z } from 'zod';
import { UserError } from '../../engine/index.ts';
import { MAX_PRECOND_DIM } from '../../optim/index.ts';
import type { Layer, NetworkWeights } from '../../systems/initialise.ts';
import { parseSafetensors, SafetensorsError, type Tensor } from '../disk/safetensors-bytes.ts';

/** A golden case that cannot be used; the one-line message names the file and the field. */
export class GoldenError extends UserError {
  override readonly name = 'GoldenError';
}

const count = z.int().positive();
const seed = z.int().nonnegative();
const betas = z.tuple([z.number(), z.number()]);
const numbers = z.record(z.string(), z.number());

const trajectorySchema = z.object({
  optimizer: z.literal('adam'),
  lr: z.number(),
  betas,
  eps: z.number(),
  steps: count,
  weightingEMA: z.number(),
  /** Steps between updates of the loss weights; 0 for none. */
  updateEvery: z.int().nonnegative(),
  unweightedTotalLossBeforeEachStep: z.array(z.number()),
  weightsAtStep1: numbers,
  weightsAtStep100: numbers,
  finalParamL2: z.number(),
});

const systemSchema = z.object({
  system: z.string(),
  params: numbers,
  network: z.object({ hidden: count, width: count }),
  nets: z.array(z.string()).min(1),
  seed,
  losses: numbers.refine((terms) => Object.keys(terms).length > 0, 'holds no loss term'),
  gradL2: numbers,
  gradMax: numbers,
  trajectories: z.object({ none: trajectorySchema, gradnorm: trajectorySchema, lra: trajectorySchema }),
});

const soapSchema = z.object({
  kind: z.literal('soap'),
  shape: z.tuple([count, count]),
  lr: z.number(),
  betas,
  shampooBeta: z.number(),
  eps: z.number(),
  preconditionFrequency: count,
  weightDecay: z.number(),
  maxPrecondDim: count.default(MAX_PRECOND_DIM),
  biasCorrection: z.boolean(),
  steps: count,
});

const initLayerSchema = z.object({
  shape: z.tuple([count, count]),
  first4: z.array(z.number()).min(1).max(4),
  last2: z.array(z.number()).min(1).max(2),
  l2: z.number(),
});

const torchInitSchema = z.object({
  cases: z
    .array(
      z.object({
        seed,
        hidden: count,
        width: count,
        inputs: count,
        nets: z.array(z.object({ name: z.string(), layers: z.array(initLayerSchema).min(2) })).min(1),
      }),
    )
    .min(1),
});

export type Trajectory = z.infer<typeof trajectorySchema>;

interface Points {
  /** [N, D], or [N, 1] for values at points. */
  readonly shape: readonly [number, number];
  readonly data: Float64Array;
}

/** Losses, gradients and Adam trajectories of one system at one set of parameters. */
export interface SystemCase extends z.infer<typeof systemSchema> {
  readonly kind: 'system';
  readonly file: string;
  /** Names of the K loss terms, in order. */
  readonly terms: readonly string[];
  readonly networks: readonly NetworkWeights<Float64Array>[];
  /** By group; see {@link pointsOf}. */
  readonly points: ReadonlyMap<string, Points>;
  /** By loss term, the gradient with respect to all networks: net by net, layer by layer, W then b. */
  readonly grads?: ReadonlyMap<string, Float64Array>;
}

/** A sequence of gradients and the weights after each SOAP step; all matrices row-major of `shape`. */
export interface SoapCase extends z.infer<typeof soapSchema> {
  readonly kind: 'soap';
  readonly file: string;
  readonly W0: Float64Array;
  /** `gradients[t - 1]` enters step t, `weights[t - 1]` is W after it. */
  readonly gradients: readonly Float64Array[];
  readonly weights: readonly Float64Array[];
}

/** Excerpts of initial weights for given seeds. */
export interface TorchInitCase extends z.infer<typeof torchInitSchema> {
  readonly kind: 'torch-init';
  readonly file: string;
}

export type GoldenCase = SystemCase | SoapCase | TorchInitCase;

/**
 * A case from the text of NAME.json and, except for initial weights, the bytes of NAME.safetensors. Everything is checked:
 * types, shapes against the networks and points, the same loss terms throughout, finite numbers. Throws
 * {@link GoldenError}, naming `file`, which is NAME.json.
 */
export function parseGolden(file: string, text: string, tensors: () => Uint8Array): GoldenCase {
  const json = parseJson(file, text);
  const keys = z.looseObject({}).safeParse(json).data;
  const beside = () => Tensors.from(file.replace(/(\.json)?$/, '.safetensors'), tensors());
  if (keys && 'system' in keys) return systemCase(file, check(file, systemSchema, json), beside());
  if (keys && keys['kind'] === 'soap') return soapCase(file, check(file, soapSchema, json), beside());
  if (keys && 'cases' in keys)
    return { kind: 'torch-init', file, ...torchInit(file, check(file, torchInitSchema, json)) };
  throw new GoldenError(`${file}: not a golden case; one has the field "system", "kind": "soap" or "cases"`);
}

/** A named group of a case's points. Throws {@link GoldenError} where the case has none of that name. */
export function pointsOf({ file, points }: SystemCase, group: string): Points {
  const found = points.get(group);
  if (!found) throw new GoldenError(`${file}: points/${group} is missing; there are ${[...points.keys()].join(', ')}`);
  return found;
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GoldenError(`${file} is not JSON (truncated?): ${oneLine((error as Error).message)}`, { cause: error });
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

function check<S extends z.ZodType>(file: string, schema: S, json: unknown): z.infer<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new GoldenError(`${file}: ${issue.path.join('.')}: ${oneLine(issue.message)}`);
}

function sameTerms(file: string, field: string, terms: readonly string[], given: Record<string, number>): void {
  const keys = Object.keys(given);
  const wrong = terms.find((term) => !keys.includes(term)) ?? keys.find((term) => !terms.includes(term));
  if (wrong !== undefined)
    throw new GoldenError(`${file}: ${field} must have the loss terms ${terms.join(', ')}; ${wrong} differs`);
}

function systemCase(file: string, json: z.infer<typeof systemSchema>, tensors: Tensors): SystemCase {
  const terms = Object.keys(json.losses);
  sameTerms(file, 'gradL2', terms, json.gradL2);
  sameTerms(file, 'gradMax', terms, json.gradMax);
  for (const [name, trajectory] of Object.entries(json.trajectories)) {
    const field = `trajectories.${name}`;
    const losses = trajectory.unweightedTotalLossBeforeEachStep.length;
    if (losses !== trajectory.steps)
      throw new GoldenError(
        `${file}: ${field}.unweightedTotalLossBeforeEachStep holds ${losses} values for ${trajectory.steps} steps`,
      );
    sameTerms(file, `${field}.weightsAtStep1`, terms, trajectory.weightsAtStep1);
    sameTerms(file, `${field}.weightsAtStep100`, terms, trajectory.weightsAtStep100);
  }

  const points = new Map(
    tensors.names('points/').map((name) => {
      const [N, D] = tensors.shape(name);
      return [name.slice('points/'.length), { shape: [N, D] as const, data: tensors.get(name, [N, D]) }];
    }),
  );
  const [, inputs] = tensors.shape('points/interior');
  const networks = json.nets.map((net) => ({ name: net, layers: layersOf(tensors, net, inputs, json.network) }));
  const parameters = networks.flatMap(({ layers }) => layers).reduce((sum, { W, b }) => sum + W.length + b.length, 0);
  const grads =
    tensors.names('grads/').length > 0
      ? new Map(terms.map((term) => [term, tensors.get(`grads/${term}`, [parameters])]))
      : undefined;
  return { kind: 'system', file, ...json, terms, networks, points, ...(grads && { grads }) };
}

function layersOf(tensors: Tensors, net: string, inputs: number, network: { hidden: number; width: number }) {
  const [outputs] = tensors.shape(`params/${net}/W${network.hidden}`);
  return Array.from({ length: network.hidden + 1 }, (_, i): Layer<Float64Array> => {
    const ins = i === 0 ? inputs : network.width;
    const outs = i === network.hidden ? outputs : network.width;
    const W = tensors.get(`params/${net}/W${i}`, [outs, ins]);
    return { inputs: ins, outputs: outs, W, b: tensors.get(`params/${net}/b${i}`, [outs]) };
  });
}

function soapCase(file: string, json: z.infer<typeof soapSchema>, tensors: Tensors): SoapCase {
  const there = tensors.names('grad/').length;
  if (json.steps > there) throw new GoldenError(`${file}: tensor grad/${there + 1} is missing, steps is ${json.steps}`);
  const steps = Array.from({ length: json.steps }, (_, t) => t + 1);
  return {
    file,
    ...json,
    W0: tensors.get('W0', json.shape),
    gradients: steps.map((t) => tensors.get(`grad/${t}`, json.shape)),
    weights: steps.map((t) => tensors.get(`W/${t}`, json.shape)),
  };
}

function torchInit(file: string, json: z.infer<typeof torchInitSchema>): z.infer<typeof torchInitSchema> {
  for (const [c, { hidden, width, inputs, nets }] of json.cases.entries())
    for (const { name, layers } of nets) {
      const field = `cases.${c}.nets ${name}`;
      if (layers.length !== hidden + 1)
        throw new GoldenError(`${file}: ${field} has ${layers.length} layers, ${hidden + 1} belong there`);
      for (const [i, { shape }] of layers.entries()) {
        const expected = [i === hidden ? shape[0] : width, i === 0 ? inputs : width];
        if (shape[0] !== expected[0] || shape[1] !== expected[1])
          throw new GoldenError(`${file}: ${field}, layer ${i} has shape [${shape}], it must be [${expected}]`);
      }
    }
  return json;
}

/** The tensors beside a case, handed out in float64 after a look at their shape and values. */
class Tensors {
  readonly #file: string;
  readonly #tensors: ReadonlyMap<string, Tensor>;

  private constructor(file: string, tensors: ReadonlyMap<string, Tensor>) {
    this.#file = file;
    this.#tensors = tensors;
  }

  static from(file: string, bytes: Uint8Array): Tensors {
    try {
      return new Tensors(file, parseSafetensors(bytes, file).tensors);
    } catch (error) {
      if (error instanceof SafetensorsError) throw new GoldenError(oneLine(error.message), { cause: error });
      throw error;
    }
  }

  names(prefix: string): string[] {
    return [...this.#tensors.keys()].filter((name) => name.startsWith(prefix));
  }

  #find(name: string): Tensor {
    const found = this.#tensors.get(name);
    if (!found) throw new GoldenError(`${this.#file}: tensor ${name} is missing`);
    return found;
  }

  /** The two extents of a matrix. */
  shape(name: string): [number, number] {
    const { shape } = this.#find(name);
    const [rows, columns] = shape;
    if (shape.length !== 2 || !rows || !columns)
      throw new GoldenError(
        `${this.#file}: tensor ${name} has shape [${shape}], it must be a matrix with rows and columns`,
      );
    return [rows, columns];
  }

  get(name: string, expected: readonly number[]): Float64Array {
    const { shape, dtype, data } = this.#find(name);
    if (dtype !== 'F64' && dtype !== 'F32')
      throw new GoldenError(`${this.#file}: tensor ${name} has type ${dtype}, it must be F64 or F32`);
    if (shape.join() !== expected.join())
      throw new GoldenError(`${this.#file}: tensor ${name} has shape [${shape}], it must be [${expected}]`);
    const values = Float64Array.from(data);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new GoldenError(`${this.#file}: tensor ${name} holds ${values[bad]} at element ${bad}`);
    return values;
  }
}
