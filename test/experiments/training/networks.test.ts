/** A network of every kind goes on from a checkpoint as if it had not stopped, and is read back. Needs an adapter. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { loadRun, train } from '../../../experiments/library/index.ts';
import { defineSystem, networkKinds } from '../../../systems/index.ts';

// Nearly all the time goes into llvmpipe's compiler; its optimizer is not what is tested.
process.env['GALLIVM_PERF'] ??= 'nopt';

let device: Device;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapir-networks-'));
  device = await openDevice();
});
afterAll(async () => {
  await device?.close();
  rmSync(folder, { recursive: true, force: true });
});

it.each(networkKinds)('%s, of periodic Fourier features', async (kind) => {
  const system = defineSystem({
    name: `ring-${kind}`,
    coordinates: { x: [0, 2], t: [0, 1] },
    fields: ['u'],
    network: { kind, hidden: 2, width: 6, fourier: { count: 2, scale: 1 }, periodic: ['x'] },
    residuals: { advection: 'u.t + u.x' },
    conditions: [{ at: { t: 0 }, residuals: ['u - sin(pi*x)'], points: 10 }],
    points: { interior: 20 },
    exact: { u: 'sin(pi*(x - t))' },
  });
  const [whole, parts] = [join(folder, `${kind}-whole`), join(folder, `${kind}-parts`)];
  const options = { device, optimizer: 'soap', seeds: [3] } as const;
  const done = await train(system, { ...options, out: whole, epochs: 40 });
  await train(system, { ...options, out: parts, epochs: 20 });
  await train(system, { device, resume: parts, epochs: 40 });
  const bytes = (out: string) => readFileSync(join(out, 'weights.safetensors'));
  expect(bytes(parts)).toEqual(bytes(whole));

  const run = loadRun(parts, { system });
  const at = system.evaluation();
  const { u } = run.predict(at);
  const exact = at['x']!.map((x, k) => Math.sin(Math.PI * (x - at['t']![k]!)));
  const norm = (of: (k: number) => number) => Math.sqrt(exact.reduce((sum, _, k) => sum + of(k) ** 2, 0));
  const error = norm((k) => u![k]! - exact[k]!) / norm((k) => exact[k]!);
  expect(error / done.final.mean!).toBeCloseTo(1, 4);
  const ends = run.predict({ x: Float64Array.of(0, 2), t: Float64Array.of(0.3, 0.3) }, ['u', 'u.x']);
  for (const [low, high] of Object.values(ends)) expect(low).toBeCloseTo(high!, 10);
});
