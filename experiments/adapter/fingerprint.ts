/** What this machine offers Tapir, and what is in the way. */

import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { compile, type Device, input, mul, newTape, Program } from '../../engine/index.ts';

export interface Fingerprint {
  readonly adapter: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly subgroupSize: readonly [number, number];
  /** Bytes that go with the commands of a dispatch; earlier figures do not say. */
  readonly immediates?: number;
  /** `off` where shaders were told not to check that they stay within their buffers. */
  readonly boundsChecks?: 'off';
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Versions of Node and of the package `webgpu`, where Dawn runs in Node. */
  readonly node?: string;
  readonly webgpu?: string;
  /** What a browser says of itself, where the figures come from a page. */
  readonly browser?: string;
  readonly platform: string;
}

/** Identifies adapter and machine in figures that are kept. */
export function fingerprint({ info }: Device): Fingerprint {
  const webgpu = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return {
    adapter: info.name,
    vendor: info.vendor,
    architecture: info.architecture,
    software: info.software,
    features: info.features,
    limits: info.limits,
    subgroupSize: [info.subgroupMinSize, info.subgroupMaxSize],
    immediates: info.immediates,
    ...(info.boundsChecks ? {} : { boundsChecks: 'off' }),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    webgpu: webgpu.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

/** Doubles a number on the device: true where compile, dispatch and read-back work. */
export async function computes(device: Device): Promise<boolean> {
  const tape = newTape();
  const x = input(tape, 'x', [3]);
  const plan = compile({ inputs: { x }, outputs: { y: mul(2, x) } }, { library: [], device: device.capabilities });
  const program = await Program.create(device, plan);
  program.write('x', [1, 2, 3]);
  const { y } = await program.run(1, ['y']);
  program.destroy();
  return String([...y!]) === '2,4,6';
}
