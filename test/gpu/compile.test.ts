/** What the compiler plans: dispatches, buffers, versions. A plan is data, so nothing here needs a GPU. */
import { describe, expect, it } from 'vitest';
import {
  add,
  compile,
  composite,
  concat,
  input,
  matmul,
  mul,
  neg,
  newTape,
  type Plan,
  reshape,
  type Source,
  sin,
  square,
  sum,
  tanh,
  transpose,
  type Var,
} from '../../engine/index.ts';
import { hyperparametersFor } from '../../experiments/training/hyperparameters.ts';
import { stepSource, termsSource } from '../../experiments/training/tapes.ts';
import { library } from '../../kernels/index.ts';
import { problemOf, resolveParameters, thermoelasticity } from '../../systems/index.ts';
import { leastAdapter, llvmpipe } from '../support/gpu.ts';

const parameters = resolveParameters(thermoelasticity);
const run = (seed: number) => ({ parameters, seed, points: thermoelasticity.points(parameters, seed) });
const hyperparameters = hyperparametersFor(thermoelasticity, { optimizer: 'adam', weighting: 'grad-norm' });
const options = { ...hyperparameters, problem: problemOf(thermoelasticity, [run(42)]) };

const small = { ...options, problem: problemOf(thermoelasticity, [run(42)], { hidden: 2, width: 16 }) };

const temporaries = (plan: Plan) => plan.slots.filter(({ names }) => names.length === 0);

describe('thermoelasticity', () => {
  const step = compile(stepSource(options).source, { library, device: llvmpipe });
  const { losses, l2 } = termsSource(options).source.outputs;
  const inputs = termsSource(options).source.inputs;

  it('takes an Adam step in at most 16 dispatches, whatever the number of runs', () => {
    expect(step.dispatches.length).toBeLessThanOrEqual(16);
    const three = compile(
      stepSource({ ...options, problem: problemOf(thermoelasticity, [42, 123, 456].map(run)) }).source,
      {
        library,
        device: llvmpipe,
      },
    );
    expect(three.dispatches.length).toBe(step.dispatches.length);
  });

  it('takes the gradients of all loss terms in at most 40 dispatches', () => {
    const { source } = termsSource(options);
    expect(compile(source, { library, device: llvmpipe }).dispatches.length).toBeLessThanOrEqual(40);
    expect([losses, l2].every((v) => v !== undefined) && Object.keys(inputs).length).toBeGreaterThan(3);
  });

  it('fits the least adapter, and takes more dispatches without kernels', () => {
    const least = compile(stepSource(small).source, { library, device: leastAdapter });
    for (const { bindings } of least.dispatches) expect(bindings.length).toBeLessThanOrEqual(8);
    const bare = compile(stepSource(options).source, { library: [], device: llvmpipe });
    expect(bare.dispatches.length).toBeGreaterThan(step.dispatches.length);
    expect(bare.dispatches.every(({ kernel }) => kernel === 'generated' || kernel.startsWith('matmul.'))).toBe(true);
  });

  it('shares the buffers of temporaries', () => {
    const used = new Set(step.dispatches.flatMap(({ bindings }) => bindings.map(({ slot }) => slot)));
    expect(used.size).toBeLessThanOrEqual(step.slots.length);
    const values = step.graph.nodes.filter(({ op }) => !['input', 'constant'].includes(op)).length;
    expect(temporaries(step).length).toBeLessThan(values / 4);
    expect(temporaries(step).length).toBeLessThan(step.dispatches.length);
  });

  it('never reads and writes one buffer through two bindings of a dispatch', () => {
    for (const { bindings } of step.dispatches)
      for (const { slot, access } of bindings)
        if (access === 'read_write') expect(bindings.filter((other) => other.slot === slot)).toHaveLength(1);
  });

  it('names where every dispatch comes from', () => {
    // Constants have no place on the tape that is theirs alone: a dispatch that only fills in zeros may be nameless.
    const nameless = step.dispatches.filter(({ scope }) => scope === '');
    expect(nameless.flatMap(({ bindings }) => bindings.filter(({ access }) => access === 'read'))).toEqual([]);
    expect(step.dispatches.some(({ scope }) => scope.includes('(adjoint)'))).toBe(true);
  });

  it('is planned the same twice', () => {
    expect(compile(stepSource(options).source, { library, device: llvmpipe })).toEqual(step);
  });
});

/** A chain of products: every link lives until the next one is there. */
function chain(links: number): Plan {
  const tape = newTape();
  const [x, W] = [input(tape, 'x', [16, 16]), input(tape, 'W', [16, 16])];
  let y: Var = x;
  for (let k = 0; k < links; k++) y = matmul(y, W);
  return compile({ inputs: { x, W }, outputs: { y } }, { library: [], device: llvmpipe });
}

describe('buffers', () => {
  it('of a chain are two, however long it is', () => {
    expect(temporaries(chain(4)).length).toBeLessThanOrEqual(2);
    expect(temporaries(chain(24)).length).toBe(temporaries(chain(4)).length);
    expect(chain(24).dispatches).toHaveLength(24);
  });

  it('are large enough for whoever shares them', () => {
    const tape = newTape();
    const a = input(tape, 'a', [4, 4]);
    const b = input(tape, 'b', [4, 32]);
    const small = matmul(a, a);
    const wide = matmul(matmul(small, a), b);
    const plan = compile(
      { inputs: { a, b }, outputs: { y: sum(matmul(wide, wide, { tb: true })) } },
      { library: [], device: llvmpipe },
    );
    const total = temporaries(plan).reduce((elements, slot) => elements + slot.elements, 0);
    expect(total).toBeGreaterThanOrEqual(128);
    expect(total).toBeLessThan(16 + 16 + 128 + 16);
  });

  it('of state are shared by what is before and after a step', () => {
    const tape = newTape();
    const a = input(tape, 'a', [5]);
    const plan = compile(
      { inputs: { a }, outputs: { next: mul(2, a) }, state: { a: 'next' } },
      { library: [], device: llvmpipe },
    );
    expect(plan.outputs['next']!.slot).toBe(plan.inputs['a']!.slot);
    expect(plan.dispatches).toHaveLength(1);
  });
});

/** Values that need `count` inputs in one expression. */
function wide(count: number): Source {
  const tape = newTape();
  const inputs = Object.fromEntries(
    Array.from({ length: count }, (_, k) => [`x${k}`, input(tape, `x${k}`, [7])] as const),
  );
  const y = tape.scope('everything at once', () => tanh(Object.values(inputs).map(sin).reduce(add)));
  return { inputs, outputs: { y } };
}

describe('what does not fit', () => {
  it('names the value that needs more buffers than the adapter binds', () => {
    const binding = (maxStorageBuffers: number) => ({ library: [], device: { ...leastAdapter, maxStorageBuffers } });
    expect(compile(wide(3), binding(4)).dispatches).toHaveLength(1);
    // What needs more is computed in parts, down to what one operation needs.
    for (const { bindings } of compile(wide(4), binding(4)).dispatches) expect(bindings.length).toBeLessThanOrEqual(4);
    expect(() => compile(wide(2), binding(2))).toThrow(
      'everything at once needs 3 buffers at once; this adapter binds 2',
    );
    try {
      compile(wide(2), binding(2));
      expect.unreachable();
    } catch (error) {
      expect((error as Error).name).toBe('BindingLimitError');
    }
  });

  it('splits what is only too wide together', () => {
    const tape = newTape();
    const inputs = Object.fromEntries(Array.from({ length: 6 }, (_, k) => [`x${k}`, input(tape, `x${k}`, [7])]));
    const outputs = Object.fromEntries(Object.values(inputs).map((x, k) => [`y${k}`, square(x)]));
    const plan = compile({ inputs, outputs }, { library: [], device: { ...leastAdapter, maxStorageBuffers: 4 } });
    expect(plan.dispatches).toHaveLength(3);
    for (const { bindings } of plan.dispatches) expect(bindings.length).toBeLessThanOrEqual(4);
  });

  it('names the versions there are', () => {
    const source = stepSource(options).source;
    for (const { name, versions } of library.slice(0, 2)) {
      const wrong = () => compile(source, { library, device: llvmpipe, versions: { [name]: 'quantum' } });
      expect(wrong).toThrow(
        `${name} has no version quantum; it has ${versions.map((version) => version.name).join(', ')}`,
      );
    }
  });

  it('takes the pinned version, and another where the pinned one cannot', () => {
    const source = stepSource(small).source;
    const versionsOf = (plan: Plan) =>
      new Set(plan.dispatches.flatMap(({ kernel }) => /^dense_jet\.(\w+)/.exec(kernel)?.[1] ?? []));
    const pinned = compile(source, { library, device: llvmpipe, versions: { dense_jet: 'simple' } });
    expect(versionsOf(pinned)).toEqual(new Set(['simple']));
    const lanes = compile(source, { library, device: leastAdapter, versions: { dense_jet: 'lanes' } });
    expect(versionsOf(lanes).has('lanes')).toBe(false);
    expect(versionsOf(lanes).size).toBeGreaterThan(0);
  });
});

describe('depth', () => {
  it('of composites within composites is no matter: one within the other 1000 times', () => {
    const nested = (x: Var, depth: number): Var =>
      composite(`level${depth}`, {}, [x], ([v]) => [depth === 0 ? sin(v!) : neg(nested(v!, depth - 1))])[0]!;
    const x = input(newTape(), 'x', [2]);
    const plan = compile({ inputs: { x }, outputs: { y: nested(x, 1000) } }, { library: [], device: leastAdapter });
    expect(plan.graph.nodes.map(({ op }) => op)).toEqual(['input', 'sin']);
  });

  it('of windows on a state is no matter: 6000 of them', () => {
    const x = input(newTape(), 'x', [2, 3]);
    let y: Var = x;
    for (let k = 0; k < 3000; k++) y = reshape(transpose(y, [1, 0]), [2, 3]);
    const source = { inputs: { x }, outputs: { y, next: neg(x) }, state: { x: 'next' } };
    expect(compile(source, { library: [], device: leastAdapter }).dispatches.length).toBeGreaterThan(0);
  });

  it('repeats no body: a composite that calls another twice, twenty times over, has the length of a chain', () => {
    const x = input(newTape(), 'x', [2]);
    let f = ([v]: Var[]): Var[] => [sin(v!)];
    for (let k = 0; k < 20; k++) {
      const inner = f;
      f = ([v]) => {
        const once = composite(`f${k}`, {}, [v!], inner)[0]!;
        return [add(once, composite('same', {}, [once], ([u]) => [tanh(u!)])[0]!)];
      };
    }
    const plan = compile({ inputs: { x }, outputs: { y: f([x])[0]! } }, { library: [], device: leastAdapter });
    expect(plan.graph.nodes).toHaveLength(2 + 2 * 20);
  });
});

it('writes the parts of a concat in place and reads transposed windows where they lie', () => {
  const tape = newTape();
  const [a, b, c] = [input(tape, 'a', [3, 4]), input(tape, 'b', [4, 5]), input(tape, 'c', [5, 5])];
  const top = matmul(a, b);
  const packed = concat([top, matmul(top, transpose(c, [1, 0]))], 0);
  const turned = matmul(transpose(packed, [1, 0]), packed);
  const plan = compile({ inputs: { a, b, c }, outputs: { packed, turned } }, { library: [], device: llvmpipe });
  expect(plan.dispatches.map(({ kernel }) => kernel)).toEqual(['matmul.dot', 'matmul.dot', 'matmul.dot']);
});
