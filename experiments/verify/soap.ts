/** SOAP against a golden sequence of gradients: through its GPU programs and through the float64 interpreter. */
import { compile, evaluate, graphOf, input, newTape, Program, type Source, sizeOf } from '../../engine/index.ts';
import { eigenvectors, planSoap, soap, soapRefresh, soapStart } from '../../optim/index.ts';
import type { Backend } from '../training/trainer.ts';
import type { SoapCase } from './golden.ts';

/** Something that runs the three programs of SOAP on one set of named values. */
interface Machine {
  write(name: string, values: ArrayLike<number>): void;
  read(name: string): Promise<ArrayLike<number>>;
  run(program: 'start' | 'step' | 'refresh'): Promise<void>;
  close(): void;
}

type Sources = Readonly<Record<'start' | 'step' | 'refresh', Source>>;

const planOf = ({ shape: [rows, columns], maxPrecondDim }: SoapCase) =>
  planSoap(1, [{ at: 0, rows, columns }], maxPrecondDim);

function sources(golden: SoapCase): Sources {
  const [rows, columns] = golden.shape;
  const plan = planOf(golden);
  const on = () => {
    const tape = newTape();
    const theta = input(tape, 'W', [1, rows * columns]);
    const g = input(tape, 'g', [1, rows * columns]);
    const settings = input(tape, 'settings', [5]);
    return { theta, g, settings, lr: input(tape, 'lr', [1, 1]) };
  };
  const [a, b, c] = [on(), on(), on()];
  const start = soapStart('W', a.theta, a.g, a.settings, plan);
  const step = soap('W', b.theta, b.g, b.lr, b.settings, plan);
  return {
    start: { ...start, inputs: { g: a.g, settings: a.settings, ...start.inputs } },
    step: { ...step, inputs: { W: b.theta, g: b.g, settings: b.settings, lr: b.lr, ...step.inputs } },
    refresh: soapRefresh('W', c.theta, plan),
  };
}

/** Programs on the GPU, sharing the buffers of the step. */
async function onGpu(all: Sources, { device, library, versions }: Backend): Promise<Machine> {
  const options = { device: device.capabilities, library, ...(versions ? { versions } : {}) };
  const step = await Program.create(device, compile(all.step, options));
  const join = (source: Source) => {
    const plan = compile(source, options);
    const shared = Object.keys(plan.inputs).filter((name) => step.plan.inputs[name]);
    return Program.create(device, plan, Object.fromEntries(shared.map((name) => [name, { program: step, name }])));
  };
  const programs = { step, start: await join(all.start), refresh: await join(all.refresh) };
  const owner = (name: string) => (step.plan.inputs[name] ? step : programs.refresh);
  return {
    write: (name, values) => owner(name).write(name, values),
    read: (name) => owner(name).read(name),
    run: async (program) => {
      await programs[program].run();
    },
    close: () => {
      for (const program of Object.values(programs)) program.destroy();
    },
  };
}

/** The same tapes in float64. */
function interpreted(all: Sources): Machine {
  const values = new Map<string, ArrayLike<number>>();
  for (const { inputs } of Object.values(all))
    for (const [name, { shape }] of Object.entries(inputs)) values.set(name, new Float64Array(sizeOf(shape)));
  return {
    write: (name, data) => values.set(name, Float64Array.from(data)),
    read: async (name) => values.get(name)!,
    run: async (program) => {
      const { inputs, outputs, state = {} } = all[program];
      const names = Object.keys(outputs);
      const results = evaluate(
        graphOf(Object.values(inputs), Object.values(outputs)),
        Object.keys(inputs).map((name) => values.get(name)!),
      );
      for (const [name, output] of Object.entries(state)) values.set(name, results[names.indexOf(output)]!);
    },
    close: () => {},
  };
}

/** Largest over the steps of ||W_t - ref|| / ||ref - W_0||. */
async function follow(machine: Machine, golden: SoapCase): Promise<number> {
  const { lr, betas, eps, shampooBeta, weightDecay, preconditionFrequency, gradients, weights, W0 } = golden;
  const { factors } = planOf(golden);
  machine.write('W', W0);
  machine.write('lr', [lr]);
  machine.write('settings', [...betas, eps, shampooBeta, weightDecay]);
  let worst = 0;
  for (const [k, gradient] of gradients.entries()) {
    machine.write('g', gradient);
    if (k === 0) {
      await machine.run('start');
      for (const { size, count } of factors)
        machine.write(`W.Q.${size}`, eigenvectors(await machine.read(`W.L.${size}`), count, size));
    } else {
      await machine.run('step');
      if (k % preconditionFrequency === 0) await machine.run('refresh');
    }
    const W = await machine.read('W');
    const moved = distance(weights[k]!, W0);
    const off = distance(W, weights[k]!);
    worst = Math.max(worst, moved > 0 ? off / moved : off);
  }
  return worst;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < b.length; k++) sum += (a[k]! - b[k]!) ** 2;
  return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : Math.sqrt(sum);
}

/** {@link follow} on the GPU and in float64. */
export async function followSoap(golden: SoapCase, backend: Backend): Promise<{ gpu: number; interpreter: number }> {
  const all = sources(golden);
  const gpu = await onGpu(all, backend);
  const float64 = interpreted(all);
  try {
    return { gpu: await follow(gpu, golden), interpreter: await follow(float64, golden) };
  } finally {
    gpu.close();
    float64.close();
  }
}
