/** Kernels as comma-separated values (RFC 4180), one line for each version and size: for spreadsheets and data frames. */
import type { KernelRow } from './kernels.ts';

const HEAD = [
  'kernel',
  'version',
  'origin',
  'shapes',
  'median_ns',
  'min_ns',
  'p90_ns',
  'samples',
  'cold_median_ns',
  'flops',
  'bytes',
  'gflops',
  'gbytes_per_s',
  'share_of_roof',
  'bound_by',
  'error',
  'tolerance',
  'why_not',
];

export function kernelsCsv(rows: readonly KernelRow[]): string {
  const lines = rows.map(({ kernel, version, origin, shapes, error, tolerance, figures, refused, skipped }) => {
    const { time, cold, flops, bytes, gflops, gbytes, share, boundBy } = figures ?? {};
    return [
      ...[kernel, version, origin, shapes, time?.medianNs, time?.minNs, time?.p90Ns, time?.samples, cold?.medianNs],
      ...[flops, bytes, gflops, gbytes, share, boundBy, error, tolerance, refused ?? skipped],
    ];
  });
  return [HEAD, ...lines].map((line) => `${line.map(field).join(',')}\r\n`).join('');
}

function field(value: string | number | undefined): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
