import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors, type Tensor, tensor, writeSafetensors } from '../../../experiments/disk/safetensors.ts';
import { GoldenError, pointsOf, type SystemCase } from '../../../experiments/verify/golden.ts';
import { readGolden } from '../../../experiments/verify/golden-file.ts';
import { parameterCount } from '../../../systems/architecture.ts';
import { flatten } from '../../../systems/initialise.ts';

type Json = Record<string, unknown>;
const goldenFolder = 'test/golden';
const files = readdirSync(goldenFolder).filter((name) => name.endsWith('.json'));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapir-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function readSystem(path: string): SystemCase {
  const found = readGolden(path);
  if (found.kind !== 'system') throw new Error(`${path} is no system case`);
  return found;
}

/** A copy of a golden case with its JSON and tensors altered; returns its path. */
function altered(
  name: string,
  json: (data: Json) => void,
  tensors: (all: Map<string, Tensor>) => void = () => {},
): string {
  const data = JSON.parse(readFileSync(join(goldenFolder, `${name}.json`), 'utf8')) as Json;
  json(data);
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(data));
  if ('cases' in data) return join(folder, `${name}.json`);
  const all = new Map(readSafetensors(join(goldenFolder, `${name}.safetensors`)).tensors);
  tensors(all);
  writeSafetensors(join(folder, `${name}.safetensors`), { tensors: all, metadata: {} });
  return join(folder, `${name}.json`);
}

function messageOf(path: string): string {
  try {
    readGolden(path);
  } catch (error) {
    expect(error).toBeInstanceOf(GoldenError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  }
  throw new Error(`${path} was accepted`);
}

describe('readGolden', () => {
  it('reads every golden file as one of three kinds', () => {
    const kinds = files.map((name) => readGolden(join(goldenFolder, name)).kind);
    expect(new Set(kinds)).toEqual(new Set(['system', 'soap', 'torch-init']));
  });

  it.each(files)('%s names itself', (name) => {
    expect(readGolden(join(goldenFolder, name)).file).toBe(name);
  });

  const systems = files.map((name) => readGolden(join(goldenFolder, name))).filter((found) => found.kind === 'system');
  it.each(systems)('$file: gradients have the norms that the file gives', ({ grads, terms, gradL2, gradMax }) => {
    for (const term of grads ? terms : []) {
      const gradient = grads!.get(term)!;
      expect(Math.hypot(...gradient) / gradL2[term]!).toBeCloseTo(1, 12);
      expect(Math.max(...gradient.map(Math.abs))).toBe(gradMax[term]);
    }
  });

  it('has gradients in all cases but the one that says so', () => {
    expect(systems.filter(({ grads }) => !grads).map(({ file }) => file)).toEqual(['thermoelasticity-full.json']);
  });

  it('gives networks, points and terms of the two-dimensional case', () => {
    const golden = readSystem(join(goldenFolder, 'electroosmotic-flow-small.json'));
    expect(golden.terms).toEqual(['Poisson', 'NP+', 'NP-', 'Stokes-x', 'Stokes-y', 'continuity', 'BC']);
    expect(golden.networks.map(({ name, layers }) => [name, layers[0]!.inputs, layers.at(-1)!.outputs])).toEqual([
      ['phi', 2, 1],
      ['cp', 2, 1],
      ['cm', 2, 1],
      ['flow', 2, 3],
    ]);
    expect([...golden.points].map(([group, { shape }]) => [group, shape])).toEqual([
      ['interior', [240, 2]],
      ['wall', [48, 2]],
      ['side', [48, 2]],
      ['side_phi', [48, 1]],
    ]);
    const shape = { name: 'flow', inputs: 2, outputs: 3, hidden: 2, width: 16 };
    expect(flatten(golden.networks[3]!).length).toBe(parameterCount(shape));
    expect(golden.trajectories.gradnorm.updateEvery).toBe(25);
    expect(() => pointsOf(golden, 'corner')).toThrow(
      new GoldenError(
        'electroosmotic-flow-small.json: points/corner is missing; there are interior, wall, side, side_phi',
      ),
    );
  });

  it('gives the matrices of a SOAP case in order', () => {
    const golden = readGolden(join(goldenFolder, 'soap-square-16.json'));
    if (golden.kind !== 'soap') throw new Error('expected a SOAP case');
    expect([golden.gradients.length, golden.weights.length, golden.W0.length]).toEqual([12, 12, 256]);
    expect(golden.weights[0]).toEqual(golden.W0);
    expect(golden.weights[1]).not.toEqual(golden.W0);
    expect(golden.betas).toEqual([0.99, 0.999]);
  });

  it('reads cases of other widths, depths, point counts and coefficients, in float32 too', () => {
    const [hidden, width, N] = [1, 3, 7];
    const matrix = (...shape: number[]) =>
      tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 8),
        shape,
      );
    const path = altered(
      'thermoelasticity-small',
      (data) => Object.assign(data, { network: { hidden, width }, params: { kappa: 2, E: 3, gamma: -0.5 }, seed: 99 }),
      (all) => {
        all.clear();
        all.set('points/interior', matrix(N, 1));
        for (const net of ['T', 'u']) {
          for (const [name, shape] of [
            ['W0', [width, 1]],
            ['b0', [width]],
            ['W1', [1, width]],
            ['b1', [1]],
          ] as const)
            all.set(`params/${net}/${name}`, matrix(...shape));
        }
        for (const term of ['RT', 'Ru', 'BC']) all.set(`grads/${term}`, matrix(20));
      },
    );
    const golden = readSystem(path);
    expect(golden.params['gamma']).toBe(-0.5);
    expect(golden.networks[1]!.layers[0]!.W).toEqual(new Float64Array([0, 0.125, 0.25]));
    expect(pointsOf(golden, 'interior').shape).toEqual([N, 1]);
    expect(golden.grads!.get('BC')!.length).toBe(20);
  });
});

describe('one-line errors', () => {
  const name = 'thermoelasticity-small';
  const none = () => {};

  it('for files that cannot be read', () => {
    expect(messageOf(join(folder, 'absent.json'))).toMatch(/absent\.json cannot be read: ENOENT/);
    expect(messageOf(folder)).toMatch(/cannot be read: EISDIR/);
    const path = join(folder, 'case.json');
    copyFileSync(join(goldenFolder, `${name}.json`), path);
    expect(messageOf(path)).toMatch(/case\.safetensors cannot be read: ENOENT/);
    writeFileSync(
      join(folder, 'case.safetensors'),
      readFileSync(join(goldenFolder, `${name}.safetensors`)).subarray(0, 9000),
    );
    expect(messageOf(path)).toMatch(/^case\.safetensors: tensor .* the file is truncated$/);
    writeFileSync(path, readFileSync(path).subarray(0, 2000));
    expect(messageOf(path)).toMatch(/^case\.json is not JSON \(truncated\?\): /);
    writeFileSync(path, '');
    expect(messageOf(path)).toMatch(/^case\.json is not JSON/);
  });

  it.each(['{}', '[]', 'null', '3', '{"kind": "adam"}'])('for %s, which is no golden case', (text) => {
    const path = join(folder, 'case.json');
    writeFileSync(path, text);
    expect(messageOf(path)).toBe('case.json: not a golden case; one has the field "system", "kind": "soap" or "cases"');
  });

  it.each<[string, (data: Json) => void]>([
    ['params.gamma', (data) => Object.assign(data, { params: { gamma: '10' } })],
    ['network.width', (data) => Object.assign(data, { network: { hidden: 2, width: 0 } })],
    ['nets', (data) => Object.assign(data, { nets: [] })],
    ['seed', (data) => Object.assign(data, { seed: -1 })],
    ['losses', (data) => Object.assign(data, { losses: {} })],
    ['losses', (data) => delete data['losses']],
    ['gradL2', (data) => delete (data['gradL2'] as Json)['Ru']],
    ['gradMax', (data) => Object.assign(data['gradMax'] as Json, { R3: 1 })],
    ['trajectories.lra', (data) => delete (data['trajectories'] as Json)['lra']],
    ['trajectories.none.steps', (data) => delete ((data['trajectories'] as Json)['none'] as Json)['steps']],
    [
      'trajectories.none.unweightedTotalLossBeforeEachStep',
      (data) => Object.assign((data['trajectories'] as Json)['none'] as Json, { steps: 99 }),
    ],
    [
      'trajectories.lra.weightsAtStep1',
      (data) => delete (((data['trajectories'] as Json)['lra'] as Json)['weightsAtStep1'] as Json)['BC'],
    ],
  ])('for a system case wrong in %s', (field, change) => {
    expect(messageOf(altered(name, change))).toMatch(
      new RegExp(`^${name}\\.json: ${field.replaceAll('.', '\\.')}\\b.`),
    );
  });

  it.each<[string, (all: Map<string, Tensor>) => void]>([
    ['points/interior is missing', (all) => all.delete('points/interior')],
    ['params/u/b1 is missing', (all) => all.delete('params/u/b1')],
    ['params/T/W2 is missing', (all) => all.delete('params/T/W2')],
    ['grads/Ru is missing', (all) => all.delete('grads/Ru')],
    [
      'params/T/W1 has shape [4,64], it must be [16,16]',
      (all) => all.set('params/T/W1', tensor(new Float64Array(256), [4, 64])),
    ],
    [
      'params/u/b0 has shape [1,16], it must be [16]',
      (all) => all.set('params/u/b0', tensor(new Float64Array(16), [1, 16])),
    ],
    ['grads/BC has shape [641], it must be [642]', (all) => all.set('grads/BC', tensor(new Float64Array(641)))],
    [
      'points/interior has shape [200], it must be a matrix',
      (all) => all.set('points/interior', tensor(new Float64Array(200))),
    ],
    [
      'points/interior has shape [0,1], it must be a matrix',
      (all) => all.set('points/interior', tensor(new Float64Array(0), [0, 1])),
    ],
    ['params/T/b2 holds NaN at element 0', (all) => all.set('params/T/b2', tensor(new Float64Array([Number.NaN])))],
    [
      'params/T/b2 has type I32',
      (all) => all.set('params/T/b2', { dtype: 'I32', shape: [1], data: new Int32Array(1) }),
    ],
  ])('for tensors where %s', (message, change) => {
    expect(messageOf(altered(name, none, change))).toContain(`${name}.safetensors: tensor ${message}`);
  });

  it('for SOAP and initial-weight cases', () => {
    expect(messageOf(altered('soap-square-16', none, (all) => all.delete('W/12')))).toBe(
      'soap-square-16.safetensors: tensor W/12 is missing',
    );
    expect(messageOf(altered('soap-square-16', (data) => Object.assign(data, { steps: 13 })))).toContain(
      'grad/13 is missing',
    );
    expect(messageOf(altered('soap-square-16', (data) => Object.assign(data, { betas: [0.9] })))).toContain(
      'soap-square-16.json: betas',
    );
    const layers = (data: Json) => ((data['cases'] as Json[])[1]!['nets'] as { layers: Json[] }[])[2]!.layers;
    expect(messageOf(altered('torch-init', (data) => layers(data).pop()))).toBe(
      'torch-init.json: cases.1.nets cC has 4 layers, 5 belong there',
    );
    expect(messageOf(altered('torch-init', (data) => Object.assign(layers(data)[1]!, { shape: [64, 63] })))).toBe(
      'torch-init.json: cases.1.nets cC, layer 1 has shape [64,63], it must be [64,64]',
    );
    expect(messageOf(altered('torch-init', (data) => delete layers(data)[0]!['l2']))).toContain(
      'cases.1.nets.2.layers.0.l2',
    );
  });
});
