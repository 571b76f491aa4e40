/** The values of all nodes of a tape of single numbers: in float64 by the interpreter, in float32 by the GPU. */
import { compile, type Device, evaluate, input, newTape, Program, reshape, stack } from '../../engine/index.ts';
import { inlineNodes } from '../../engine/tape/tape.ts';
import { type Trace, wholeTape } from './trace.ts';

export type InputValues = Readonly<Record<string, number>>;

export function float64Values(trace: Trace, values: InputValues): number[] {
  const given = Object.keys(trace.inputs).map((name) => [values[name] ?? 0]);
  return evaluate(wholeTape(trace), given).map((value) => value[0]!);
}

/** All nodes of the tape at once, each as one element of the result. */
export async function gpuValues(device: Device, trace: Trace, values: InputValues): Promise<Float32Array> {
  const tape = newTape();
  const inputs = Object.fromEntries(Object.keys(trace.inputs).map((name) => [name, input(tape, name, [])]));
  const placed = inlineNodes(tape, wholeTape(trace), Object.values(inputs));
  const all = stack(
    placed.map((value) => reshape(value!, [])),
    0,
  );
  const plan = compile({ inputs, outputs: { all } }, { library: [], device: device.capabilities });
  const program = await Program.create(device, plan);
  try {
    for (const name of Object.keys(inputs)) program.write(name, [values[name] ?? 0]);
    const { all: result } = await program.run(1, ['all']);
    return result!;
  } finally {
    program.destroy();
  }
}
