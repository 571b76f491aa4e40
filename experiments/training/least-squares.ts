/** A system's loss as a sum of squares on a device: what Gauss-Newton asks for, in float64 on the host's side. */

import type { Program } from '../../engine/index.ts';
import {
  type Columns,
  hostGram,
  type LayerFactors,
  type LeastSquares,
  type Linearization,
  layerColumns,
  lowerNormal,
  type Span,
} from '../../optim/index.ts';
import {
  COLUMNS,
  type DataInput,
  inputValues,
  LEARNED,
  learnedNames,
  type NetworkLayers,
  type Problem,
  parameterCount,
  partNames,
  problemOf,
  type Run,
} from '../../systems/index.ts';
import type { Precision } from './hyperparameters.ts';
import { LearnedColumns } from './learned-columns.ts';
import { fill } from './programs.ts';
import { CANDIDATES, type Matrices, type SquarePrograms, squarePrograms } from './square-programs.ts';
import type { Backend } from './trainer.ts';

export interface LeastSquaresOptions {
  /** Its runs are taken one at a time. */
  readonly problem: Problem;
  /** Factor of the residuals of conditions. */
  readonly boundaryWeight: number;
  readonly precision: Precision;
  /** Where K is computed: in float64 on the host of an adapter that is a CPU itself, unless stated. */
  readonly matrices?: Matrices;
}

/** Where a layer's parameters lie in theta, and the names of the factors of its rows. */
interface Layer extends Span {
  readonly deltas: string;
  readonly activations: string;
}

/** Where a network's parameters lie in theta, and its rows among all. */
interface Block {
  readonly network: string;
  readonly start: number;
  readonly count: number;
  readonly rows: readonly number[];
  readonly spans: NetworkLayers['spans'];
  readonly layers: readonly Layer[];
}

/** What data the programs take, and the loss term of each row. */
interface Parts {
  readonly data: readonly DataInput[];
  readonly terms: readonly string[];
  readonly boundaryWeight: number;
}

/** Each span once: paired readings share their rows. */
const distinct = (spans: Columns['spans']) => [...new Map(spans.map((span) => [span.start, span])).values()];

const oneRun = ({ system, shape }: Problem, run: Run): Problem => problemOf(system, [run], shape);

export class SystemSquares implements LeastSquares {
  readonly candidates = CANDIDATES;
  readonly rows: number;
  readonly parameters: number;
  readonly networks: readonly (readonly Span[])[];
  readonly options: LeastSquaresOptions;
  readonly programs: SquarePrograms;
  /** Factor of each row. */
  readonly #scale: Float64Array;
  readonly #blocks: readonly Block[];
  /** Where what learned parameters are made from lies in theta: behind the networks. */
  readonly #learned: Span;
  /** Factors of rows that the programs do not share, by name. */
  readonly #copied: readonly string[];
  readonly #parts: Parts;

  private constructor(
    options: LeastSquaresOptions,
    programs: SquarePrograms,
    scale: Float64Array,
    blocks: readonly Block[],
    copied: readonly string[],
    parts: Parts,
  ) {
    this.#parts = parts;
    this.options = options;
    this.programs = programs;
    this.rows = scale.length;
    const start = blocks.reduce((sum, { count }) => sum + count, 0);
    this.#learned = { start, count: learnedNames(options.problem.system).length };
    this.parameters = start + this.#learned.count;
    const layers = blocks.map(({ layers }) => layers.map(({ start, count }) => ({ start, count })));
    this.networks = [...layers, ...(this.#learned.count > 0 ? [[this.#learned]] : [])];
    this.#scale = scale;
    this.#blocks = blocks;
    this.#copied = copied;
  }

  /** Throws ArithmeticError where the adapter cannot compute in double-single. */
  static async create(options: LeastSquaresOptions, backend: Backend): Promise<SystemSquares> {
    const { boundaryWeight, precision } = options;
    const { system, counts, stacks } = options.problem;
    const problem = oneRun(options.problem, options.problem.runs[0]!);
    const matrices = options.matrices ?? (backend.device.capabilities.software ? 'host' : 'device');
    const { programs, networks, model, copied } = await squarePrograms(problem, { precision, matrices }, backend);
    const scale = Float64Array.from(
      model.residuals.flatMap(({ group, over }, r) => {
        const count = counts[group]!;
        const weight = r < Object.keys(system.residuals).length ? 1 : boundaryWeight;
        return new Array<number>(count).fill(weight / (over === 'mean' ? Math.sqrt(count) : 1));
      }),
    );
    let start = 0;
    const sizes = stacks.flatMap(({ networks, architecture }) => networks.map(() => parameterCount(architecture)));
    const blocks = networks.map(({ network, spans, layers }, k): Block => {
      const count = sizes[k]!;
      start += count;
      const rows = spans.flatMap((span) => Array.from({ length: span.count }, (_, n) => span.start + n));
      const first = start - count;
      const named = layers.map(({ layer, offset }, l) => ({
        ...{ start: first + offset, count: (layers[l + 1]?.offset ?? count) - offset },
        ...partNames(network, layer),
      }));
      return { network, start: first, count, rows, spans, layers: named };
    });
    const terms = model.residuals.flatMap(({ term, group }) => new Array<string>(counts[group]!).fill(term));
    const parts = { data: model.data, terms, boundaryWeight };
    const squares = new SystemSquares(options, programs, scale, blocks, copied, parts);
    squares.select(options.problem.runs[0]!);
    return squares;
  }

  /** The run whose points and coefficients count from now on: one of the problem's, its points moved or not. */
  select(run: Run): void {
    const one = inputValues(oneRun(this.options.problem, run), this.#parts.data);
    fill(this.programs.rows, one);
    const repeated = Object.entries(one).map(([name, data]): [string, Float64Array] => {
      const all = new Float64Array(CANDIDATES * data.length);
      for (let c = 0; c < CANDIDATES; c++) all.set(data, c * data.length);
      return [name, all];
    });
    fill(this.programs.residuals, Object.fromEntries(repeated));
  }

  /** The unweighted loss terms that scaled residuals add up to. */
  losses(residuals: Float64Array, terms: readonly string[]): number[] {
    const { terms: ofRow, boundaryWeight } = this.#parts;
    const equations = Object.keys(this.options.problem.system.residuals);
    const sums = new Map(terms.map((term) => [term, 0]));
    residuals.forEach((r, i) => {
      const term = ofRow[i]!;
      const plain = equations.includes(term) ? r : r / boundaryWeight;
      sums.set(term, sums.get(term)! + plain ** 2);
    });
    return [...sums.values()];
  }

  async residuals(thetas: readonly Float64Array[]): Promise<Float64Array[]> {
    const { residuals } = this.programs;
    const all = Array.from({ length: CANDIDATES }, (_, c) => thetas[Math.min(c, thetas.length - 1)]!);
    this.#writeThetas(residuals, all);
    await residuals.run();
    const values = await residuals.readDouble('residuals');
    return thetas.map((_, c) => values.slice(c * this.rows, (c + 1) * this.rows).map((r, i) => r * this.#scale[i]!));
  }

  async linearize(theta: Float64Array): Promise<Linearization> {
    const { rows, gram, transposed, applied } = this.programs;
    this.#writeThetas(rows, [theta]);
    await rows.run();
    for (const name of this.#copied) {
      const values = await rows.readDouble(name);
      for (const program of [...(gram ? [gram] : []), transposed, applied]) program.write(name, values);
    }
    let shares: Promise<Float64Array[]> | undefined;
    const grams = () => (shares ??= this.#grams());
    const learned = this.#learned.count > 0 ? await this.#learnedColumns() : undefined;
    return {
      gram: async (network, layer) => {
        const block = network === undefined ? undefined : this.#blocks[network];
        if (block) {
          const alone = async (layer: number) => this.#gram(block, [block.layers[layer]!]);
          return this.#assembled([layer === undefined ? (await grams())[network!]! : await alone(layer)], [block]);
        }
        const all = network === undefined ? this.#assembled(await grams()) : new Float64Array(this.rows ** 2);
        learned?.addGram(all);
        return all;
      },
      normal: async () => {
        const { data, span } = learned ?? {};
        const own = data && span ? [{ data, count: span.count, spans: [{ start: 0, count: this.rows }] }] : [];
        return lowerNormal([...(await this.#columns()), ...own], this.rows);
      },
      transposed: async (y) => {
        this.#blocks.forEach(({ network, rows }, k) => {
          const own = y instanceof Float64Array ? y : y[k]!;
          transposed.write(
            `y.${network}`,
            rows.map((i) => own[i]! * this.#scale[i]!),
          );
        });
        await transposed.run();
        const result = new Float64Array(this.parameters);
        for (const { network, start } of this.#blocks)
          result.set(await transposed.readDouble(`transposed.${network}`), start);
        if (learned) result.set(learned.transposed(y instanceof Float64Array ? y : y.at(-1)!), learned.span.start);
        return result;
      },
      applied: async (phi) => {
        for (const { network, start, count } of this.#blocks)
          applied.write(`phi.${network}`, phi.subarray(start, start + count));
        await applied.run();
        const result = new Float64Array(this.rows);
        for (const { network, rows } of this.#blocks) {
          const share = await applied.readDouble(`applied.${network}`);
          rows.forEach((i, m) => {
            result[i] = result[i]! + share[m]! * this.#scale[i]!;
          });
        }
        learned?.addApplied(result, phi);
        return result;
      },
    };
  }

  /** The columns of J, network by network, from the factors of its rows. */
  async #columns(): Promise<Columns[]> {
    const groups: Columns[] = [];
    for (const { start, count, spans, layers } of this.#blocks) {
      const data = new Float64Array(count * this.rows);
      for (const [l, factors] of (await this.#factors(layers)).entries())
        layerColumns(data.subarray((layers[l]!.start - start) * this.rows), factors, spans, this.#scale);
      groups.push({ data, count, spans: distinct(spans) });
    }
    return groups;
  }

  async #learnedColumns(): Promise<LearnedColumns> {
    const columns = await this.programs.rows.readDouble(COLUMNS);
    return new LearnedColumns(
      columns.map((x, k) => x * this.#scale[k % this.rows]!),
      this.#learned,
    );
  }

  async #grams(): Promise<Float64Array[]> {
    const { gram } = this.programs;
    if (!gram) return Promise.all(this.#blocks.map((block) => this.#gram(block, block.layers)));
    await gram.run();
    return Promise.all(this.#blocks.map(({ network }) => gram.readDouble(`gram.${network}`)));
  }

  /** The share of some of a network's layers, on the host. */
  async #gram({ spans }: Block, layers: readonly Layer[]): Promise<Float64Array> {
    return hostGram(await this.#factors(layers), spans);
  }

  async #factors(layers: readonly Layer[]): Promise<LayerFactors[]> {
    const { rows } = this.programs;
    const all: LayerFactors[] = [];
    for (const { deltas, activations } of layers) {
      const channels = rows.plan.outputs[deltas]!.shape[0]!;
      const [d, a] = [await rows.readDouble(deltas), await rows.readDouble(activations)];
      all.push({ channels, deltas: d, activations: a });
    }
    return all;
  }

  /** The sum of shares of networks, each at its rows of [M,M]. */
  #assembled(shares: readonly Float64Array[], blocks = this.#blocks): Float64Array {
    const all = new Float64Array(this.rows * this.rows);
    blocks.forEach(({ rows }, k) => {
      const share = shares[k]!;
      for (let m = 0; m < rows.length; m++) {
        const si = this.#scale[rows[m]!]!;
        for (let n = 0; n < rows.length; n++) {
          const at = rows[m]! * this.rows + rows[n]!;
          all[at] = all[at]! + share[m * rows.length + n]! * si * this.#scale[rows[n]!]!;
        }
      }
    });
    return all;
  }

  #writeThetas(program: Program, thetas: readonly Float64Array[]): void {
    let start = 0;
    for (const { theta, networks, architecture } of this.options.problem.stacks) {
      const count = networks.length * parameterCount(architecture);
      const all = new Float64Array(thetas.length * count);
      thetas.forEach((each, c) => {
        all.set(each.subarray(start, start + count), c * count);
      });
      program.write(theta, all);
      start += count;
    }
    if (LEARNED in program.plan.inputs)
      program.write(
        LEARNED,
        thetas.flatMap((each) => [...each.subarray(start)]),
      );
  }

  destroy(): void {
    for (const program of Object.values({ ...this.programs })) program.destroy();
  }
}
