/** What `tapir bench --out` wrote, read again: everything that a comparison looks at is checked. */
import { z } from 'zod';
import { readText } from '../experiments/disk/files.ts';
import { UsageError } from '../experiments/training/settings.ts';
import type { BenchResult } from './bench.ts';

const time = z.looseObject({ medianNs: z.number().positive(), minNs: z.number().positive(), p90Ns: z.number() });
const count = z.number().nonnegative();
const refused = z.string().optional();

const resultSchema = z.looseObject({
  date: z.string(),
  machine: z.looseObject({ adapter: z.string(), cpu: z.string(), cores: z.number() }),
  load: z.number().optional(),
  roofline: z.looseObject({ peakFlops: z.number().positive() }).optional(),
  peakAtEnd: z.number().positive().optional(),
  kernels: z
    .array(
      z.looseObject({
        kernel: z.string(),
        version: z.string(),
        origin: z.string(),
        shapes: z.string(),
        figures: z.looseObject({ time }).optional(),
        refused,
      }),
    )
    .optional(),
  steps: z
    .array(z.looseObject({ origin: z.string(), optimizer: z.string(), time, dispatches: count, bytes: count }))
    .optional(),
  laplacian: z
    .array(
      z.looseObject({
        way: z.string(),
        what: z.string(),
        time: time.optional(),
        dispatches: count,
        bytes: count,
        refused,
      }),
    )
    .optional(),
  stack: z
    .array(z.looseObject({ system: z.string(), optimizer: z.string(), height: count, time, bytes: count }))
    .optional(),
  peers: z
    .looseObject({
      rows: z.array(
        z.looseObject({
          peer: z.string(),
          job: z.looseObject({ system: z.string(), work: z.string(), runs: z.number() }),
          variant: z.string(),
          ours: time.optional(),
          refused,
        }),
      ),
    })
    .optional(),
});

/** Throws {@link UsageError}, FileError. */
export function readResult(path: string): BenchResult {
  const text = readText(path);
  if (text === undefined) throw new UsageError(`there is no file ${path}; tapir bench --out writes one`);
  try {
    const result: unknown = JSON.parse(text);
    resultSchema.parse(result);
    return result as BenchResult;
  } catch {
    throw new UsageError(`${path} is no result of tapir bench; --out writes one`);
  }
}
