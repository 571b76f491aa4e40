/** What a program and a device say when something is wrong. Needs an adapter; without one everything here fails. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  compile,
  concat,
  type Device,
  DeviceLostError,
  GpuError,
  grad,
  input,
  matmul,
  mean,
  mul,
  newTape,
  openDevice,
  type Plan,
  Program,
  type Source,
  square,
  sub,
  tanh,
} from '../../engine/index.ts';
import { poison } from '../support/gpu.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

/** Two states, updated from a loss. */
function descent(): Source {
  const tape = newTape();
  const [w, v, rate, x] = [
    input(tape, 'w', [3, 5]),
    input(tape, 'v', [3, 5]),
    input(tape, 'rate', []),
    input(tape, 'x', [7, 3]),
  ];
  const loss = mean(square(sub(tanh(matmul(x, w)), 0.3)), undefined, false);
  const [g] = grad(loss, [w]);
  const speed = add(mul(0.9, v), g!);
  return {
    inputs: { w, v, rate, x },
    outputs: { loss, "w'": sub(w, mul(rate, speed)), "v'": speed, packed: concat([w, v], 0) },
    state: { w: "w'", v: "v'" },
  };
}

describe('mistakes', () => {
  const plan = (): Plan => compile(descent(), { library: [], device: device.capabilities });

  it('with a name list the names there are; with a size, the size', async () => {
    const program = await Program.create(device, plan());
    try {
      const names = "w, v, rate, x, loss, w', v', packed";
      expect(() => program.write('theta', [1])).toThrow(`the program has no value theta; it has ${names}`);
      await expect(program.read('theta')).rejects.toThrow('has no value theta');
      await expect(program.run(1, ['theta'])).rejects.toThrow('has no value theta');
      expect(() => program.write('w', [1, 2])).toThrow('w takes 15 numbers, not 2');
    } finally {
      program.destroy();
    }
  });

  it('with a buffer that is too large name it, the need and the limit', async () => {
    const limits = { maxStorageBufferBindingSize: 100, maxBufferSize: 48 };
    const small = { gpu: { limits, createBuffer: () => ({ destroy() {} }) } } as unknown as Device;
    await expect(Program.create(small, plan())).rejects.toMatchObject({
      name: 'BufferSizeError',
      message: expect.stringMatching(/^w needs 60 bytes; this adapter's buffers end at 48: use fewer/),
    });
  });

  it('in a shader carry the name of what was done', async () => {
    const broken = {
      ...plan(),
      dispatches: plan().dispatches.map((d) => ({ ...d, code: d.code.replace('fn main', 'fun main') })),
    };
    const failure = await Program.create(device, broken).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(GpuError);
    expect(failure).toMatchObject({
      scope: expect.stringContaining('matmul'),
      message: expect.stringMatching(/matmul.*line [0-9]+: .*expected/),
    });
    // The device is as good as before.
    const scope = device.scoped('make a mistake', () => {
      device.gpu.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    });
    await expect(scope).rejects.toMatchObject({ name: 'GpuError', scope: 'make a mistake' });
    await expect(device.scoped('nothing', () => 7)).resolves.toBe(7);
  });

  it('of the program itself pass through a scope unchanged', async () => {
    const mine = new RangeError('mine');
    await expect(device.scoped('x', () => Promise.reject(mine))).rejects.toBe(mine);
    const thrown = device.scoped('x', () => {
      throw mine;
    });
    await expect(thrown).rejects.toBe(mine);
  });
});

it('notices that the device is lost, in work under way and in work to come', async () => {
  const other = await openDevice();
  const program = await Program.create(other, compile(descent(), { library: [], device: other.capabilities }));
  poison(program);
  other.gpu.destroy();
  await expect(program.run(2, ['loss'])).rejects.toBeInstanceOf(DeviceLostError);
  await expect(program.read('w')).rejects.toMatchObject({
    message: expect.stringMatching(/^the GPU device was lost \(destroyed\): [^\n]*$/),
    remedy: expect.stringContaining('start again'),
    exitCode: 75,
  });
  await other.close();
});
