/** Golden cases through the GPU and through the interpreter, and cases with one number wrong. Needs an adapter. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { readSafetensors, writeSafetensors } from '../../../experiments/disk/safetensors.ts';
import { verify } from '../../../experiments/verify/golden-file.ts';
import type { CaseResult } from '../../../experiments/verify/system.ts';
import { library } from '../../../kernels/index.ts';

const golden = 'test/golden';
let device: Device;
let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapir-'));
  device = await openDevice();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await device?.close();
});

type Json = Record<string, unknown>;
/** A golden case with one number changed: in its scalars by `json`, or in the tensor named. */
function tampered(name: string, json: (data: Json) => void, tensor?: { name: string; at: number }): string {
  const data = JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8')) as Json;
  json(data);
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(data));
  if ('cases' in data) return path;
  const beside = join(folder, `${name}.safetensors`);
  copyFileSync(join(golden, `${name}.safetensors`), beside);
  if (tensor) {
    const { tensors, metadata } = readSafetensors(beside);
    const values = tensors.get(tensor.name)!.data as Float64Array;
    values[tensor.at] = values[tensor.at]! * 1.01;
    writeSafetensors(beside, { tensors, metadata });
  }
  return path;
}

const failed = ({ quantities }: CaseResult) => quantities.filter(({ ok }) => !ok).map(({ name }) => name);
const run = (path: string) => verify(path, { device, library });

describe('thermoelasticity-small', () => {
  it('agrees with PyTorch: losses, gradients, norms and three trajectories', async () => {
    const result = await run(join(golden, 'thermoelasticity-small.json'));
    expect(failed(result)).toEqual([]);
    expect(result.ok).toBe(true);
    const names = result.quantities.map(({ name }) => name);
    for (const where of ['interpreter', 'gpu'])
      for (const term of ['RT', 'Ru', 'BC'])
        for (const what of [`loss ${term}`, `gradient of ${term}`, `largest gradient of ${term}`])
          expect(names).toContain(`${where}: ${what}`);
    for (const key of ['none', 'gradnorm', 'lra'])
      expect(names.filter((name) => name.includes(`: ${key}: `)).length).toBeGreaterThanOrEqual(4);
    for (const { relativeError, tolerance } of result.quantities) expect(relativeError).toBeLessThanOrEqual(tolerance);
  });

  it('is refused with a loss that is 1 % off, by that name, on both sides', async () => {
    const path = tampered('thermoelasticity-small', (data) => {
      (data['losses'] as Record<string, number>)['Ru']! *= 1.01;
    });
    const result = await run(path);
    expect(result.ok).toBe(false);
    expect(failed(result)).toEqual(['interpreter: loss Ru', 'gpu: loss Ru']);
  });

  it('is refused with one weight that is 1 % off', async () => {
    const result = await run(tampered('thermoelasticity-small', () => {}, { name: 'params/u/W1', at: 17 }));
    expect(result.ok).toBe(false);
    expect(failed(result)).toContain('interpreter: loss Ru');
    expect(failed(result)).not.toContain('interpreter: loss RT');
  });

  it('is refused with a parameter or a trajectory that is off', async () => {
    const path = tampered('thermoelasticity-small', (data) => {
      const trajectories = data['trajectories'] as Record<string, { finalParamL2: number }>;
      trajectories['lra']!.finalParamL2 *= 1.02;
      (data['params'] as Record<string, number>)['gamma'] = 10.1;
    });
    const wrong = failed(await run(path));
    expect(wrong).toContain('gpu: lra: norm of the parameters');
    expect(wrong).toContain('interpreter: loss Ru');
    expect(wrong).toContain('gpu: gradient of Ru');
  });
});

describe('torch-init', () => {
  it('has the initial weights of PyTorch, exactly', async () => {
    const result = await run(join(golden, 'torch-init.json'));
    expect(failed(result)).toEqual([]);
    for (const { relativeError, tolerance } of result.quantities) expect([relativeError, tolerance]).toEqual([0, 0]);
  });

  it('is refused with one weight that is off in its last bits, or another seed', async () => {
    type Case = { seed: number; nets: { layers: { first4: number[] }[] }[] };
    const nudged = tampered('torch-init', (data) => {
      const [first] = data['cases'] as Case[];
      first!.nets[1]!.layers[2]!.first4[3]! *= 1 + 2 ** -22;
    });
    expect(failed(await run(nudged))).toHaveLength(1);
    const seeded = tampered('torch-init', (data) => {
      (data['cases'] as Case[])[0]!.seed++;
    });
    expect(failed(await run(seeded))).toHaveLength(1);
  });
});

describe('SOAP sequences', () => {
  it.each(['soap-square-16', 'soap-square-64', 'soap-options-16', 'soap-one-sided-8x24'])(
    '%s is followed by the GPU and by the interpreter',
    async (name) => {
      const result = await run(join(golden, `${name}.json`));
      expect(failed(result)).toEqual([]);
      expect(result.quantities.map(({ name: own }) => own.split(':')[0])).toEqual(['interpreter', 'gpu']);
      // Far within the tolerance of 1e-3: float32 itself leads this far from float64.
      for (const { relativeError } of result.quantities) expect(relativeError).toBeLessThan(2e-5);
    },
  );

  it('is refused with weights or settings that are off, or of a kind that is not built', async () => {
    const off = tampered('soap-square-16', () => {}, { name: 'W/9', at: 5 });
    expect(failed(await run(off))).toHaveLength(2);
    const other = tampered('soap-square-16', (data) => {
      data['preconditionFrequency'] = 7;
    });
    expect(failed(await run(other))).toHaveLength(2);
    for (const [name, value] of [
      ['shampooBeta', 0.9],
      ['weightDecay', 0.06],
      ['maxPrecondDim', 8],
    ] as const) {
      const changed = tampered('soap-options-16', (data) => {
        data[name] = value;
      });
      expect([name, failed(await run(changed)).length]).toEqual([name, 2]);
    }
    const uncorrected = tampered('soap-square-16', (data) => {
      data['biasCorrection'] = false;
    });
    await expect(run(uncorrected)).rejects.toThrow('only SOAP with bias correction is built');
    const wide = tampered('soap-square-16', (data) => {
      data['shape'] = [8, 32];
    });
    const { tensors, metadata } = readSafetensors(wide.replace('.json', '.safetensors'));
    const reshaped = new Map([...tensors].map(([name, each]) => [name, { ...each, shape: [8, 32] }]));
    writeSafetensors(wide.replace('.json', '.safetensors'), { tensors: reshaped, metadata });
    await expect(run(wide)).rejects.toThrow(/shape \[8,32\] cannot be followed: .*; take a square shape$/);
  });
});

describe('every other golden case', () => {
  it.each([
    'reaction-diffusion-small',
    'nernst-planck-poisson-small',
    'electroosmotic-flow-small',
    'thermoelasticity-full',
  ])('%s passes', async (name) => {
    expect(failed(await run(join(golden, `${name}.json`)))).toEqual([]);
  });
});

/** Families by the small case that calls them. jet_gram serves tapir ntk alone. */
const CALLED = {
  'thermoelasticity-small': ['dense_jet', 'vjp(dense_jet)'],
  'soap-square-16': ['matmul', 'qr', 'reorder'],
};

describe('every version pinned in turn', () => {
  it('is asked for below: no family is left out', () => {
    const called = [...Object.values(CALLED).flat(), 'jet_gram'];
    expect(library.map(({ name }) => name).sort()).toEqual(called.sort());
  });

  const pins = Object.entries(CALLED).flatMap(([name, families]) =>
    families.flatMap((family) =>
      library
        .find((kernel) => kernel.name === family)!
        .versions.map((version) => [name, family, version.name] as const),
    ),
  );
  it.each(pins)('%s passes with %s=%s', async (name, family, pinned) => {
    let [supported, built] = [0, 0];
    const watched = library.map((kernel) => ({
      ...kernel,
      versions: kernel.versions.map((version) => {
        if (kernel.name !== family || version.name !== pinned) return version;
        const supports: typeof version.supports = (...of) => {
          const can = version.supports(...of);
          if (can) supported++;
          return can;
        };
        const build: typeof version.build = (...of) => {
          built++;
          return version.build(...of);
        };
        return { ...version, supports, build };
      }),
    }));
    const result = await verify(join(golden, `${name}.json`), {
      ...{ device, library: watched },
      versions: { [family]: pinned },
    });
    expect(failed(result)).toEqual([]);
    expect(built).toBe(supported);
    if (pinned === 'simple') expect(built).toBeGreaterThan(0);
  });
});
