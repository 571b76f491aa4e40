/** Losses of the gallery's systems, and their gradients, by all kinds of networks, on a device with the least limits. Needs an adapter. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compile, type Device, evaluate, grad, graphOf, newTape, openDevice, Program } from '../../engine/index.ts';
import { readSystem } from '../../experiments/disk/system-file.ts';
import { library } from '../../kernels/index.ts';
import { initialThetas, inputValues, lossModel, problemOf, resolveParameters } from '../../systems/index.ts';
import { distance } from '../support/gpu.ts';

const folder = join(import.meta.dirname, '../../examples');
const gallery = readdirSync(folder).flatMap((file) => (file.endsWith('.mjs') ? [file.slice(0, -'.mjs'.length)] : []));
const size = { hidden: 2, width: 8 };
const small = { hidden: 1, width: 6 };
const features = { fourier: { count: 3, scale: 1 }, periodic: ['x'] };
const cases = [
  ...gallery.map((name) => ({ name, network: small })),
  ...(['sine', 'silu'] as const).flatMap((activation) =>
    ['burgers', 'kdv'].map((name) => ({ name, network: { activation } })),
  ),
  ...(['residual', 'modified'] as const).map((kind) => ({ name: 'burgers', network: { kind, ...features } })),
  ...[{ name: 'kdv', network: { kind: 'modified' as const, ...features } }],
].map((each) => ({ ...each, as: Object.entries(each.network).map((entry) => JSON.stringify(entry)) }));
// Nearly all the time goes into llvmpipe's compiler; its optimizer is not what is tested.
process.env['GALLIVM_PERF'] ??= 'nopt';

let device: Device;

beforeAll(async () => {
  device = await openDevice({ least: true });
});
afterAll(() => device.close());

it.each(cases)('$name $as: losses and gradient', async ({ name, network }) => {
  const system = await readSystem(join(folder, `${name}.mjs`));
  const parameters = resolveParameters(system);
  const all = system.points(parameters, 3);
  const points = Object.fromEntries(
    Object.entries(all).map(([group, columns]) => [
      group,
      group in (system.observed ?? {})
        ? columns
        : Object.fromEntries(Object.entries(columns).map(([key, data]) => [key, data.slice(0, 13)])),
    ]),
  );
  const problem = problemOf(system, [{ parameters, seed: 3, points }], {
    ...system.architecture,
    ...size,
    ...network,
  });
  const tape = newTape();
  const model = lossModel(tape, problem);
  const [gradient] = grad(model.total, [...model.thetas]);
  const values: Record<string, ArrayLike<number>> = {
    ...inputValues(problem, model.data),
    ...initialThetas(problem),
    weights: new Array(model.terms.length).fill(1),
  };
  const source = { inputs: model.inputs, outputs: { losses: model.losses, gradient: gradient! } };
  const exact = evaluate(
    graphOf(Object.values(model.inputs), [model.losses, gradient!]),
    Object.keys(model.inputs).map((key) => values[key]!),
  );
  const program = await Program.create(device, compile(source, { library, device: device.capabilities }));
  try {
    for (const key of Object.keys(program.plan.inputs)) program.write(key, values[key]!);
    await program.run();
    expect(distance(await program.read('losses'), exact[0]!)).toBeLessThan(1e-4);
    expect(distance(await program.read('gradient'), exact[1]!)).toBeLessThan(1e-4);
  } finally {
    program.destroy();
  }
});
