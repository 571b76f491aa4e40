/** What the page and the worker that measures tell each other. */
import type { BenchResult } from '../../bench/bench.ts';
import type { KernelRow } from '../../bench/kernels.ts';
import type { Roofline } from '../../bench/roofline.ts';
import type { CaseResult } from '../../experiments/verify/system.ts';

export type Order = { readonly do: 'measure'; readonly quick: boolean } | { readonly do: 'verify' };

export type Report =
  | { readonly kind: 'doing'; readonly text: string }
  | { readonly kind: 'roofline'; readonly adapter: string; readonly roofline: Roofline }
  | { readonly kind: 'kernels'; readonly rows: readonly KernelRow[] }
  | { readonly kind: 'measured'; readonly result: BenchResult }
  | { readonly kind: 'case'; readonly result: CaseResult }
  | { readonly kind: 'verified' }
  | { readonly kind: 'failed'; readonly message: string };

/** What `golden/cases.json` of the site holds: its golden cases, and whether tensors belong to one. */
export interface GoldenFile {
  readonly name: string;
  readonly tensors: boolean;
}
