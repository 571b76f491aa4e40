/** The paper's statements about K and K_P (its section 4), held against Jacobians as measured. */
import { applyGram, beside, firstColumns, largestOfGram, rankOf, type Singular, type Tall } from './spectra.ts';
import type { RowGroup } from './tape.ts';

export interface Theorems {
  /** lambda_max(J_ik J_ik^T) of every residual i, by network k: none exceeds lambda_max(K). */
  readonly blocks: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /**
   * Theorem 1: the largest of the blocks with i != k, residuals and networks counted in their order; kappa^2 sigma^2 where
   * residual i holds kappa C_k[u_k]. Absent where there are not as many residuals as networks.
   */
  readonly coupling?: { readonly residual: string; readonly network: string; readonly lambdaMax: number };
  /** Corollary 1: |r| after {@link STEPS} steps r <- r - eta K r over |r| before, eta 1 % below 2/lambda_max and 1 % above. */
  readonly stability: { readonly below: number; readonly above: number };
  /** Proposition 1, part 3: how far, at most, a direction of a layer's range is from the range of its network; 0 to 1. */
  readonly outside: number;
}

const STEPS = 500;
/** Directions of a layer that float64 resolves, and those that its network's range is made of. */
const RESOLVED = 1e-10;
const SPANNED = 1e-14;

interface Measured {
  readonly rows: readonly RowGroup[];
  readonly networks: readonly string[];
  /** Reduced rows of each network, layer by layer. */
  readonly parts: readonly (readonly Tall[])[];
  /** Of each network's rows, and of each layer's. */
  readonly own: readonly Singular[];
  readonly layerwise: readonly (readonly Singular[])[];
  readonly lambdaMax: number;
}

export function theoremsOf({ rows, networks, parts, own, layerwise, lambdaMax }: Measured): Theorems {
  const starts = rows.map((_, i) => rows.slice(0, i).reduce((sum, { count }) => sum + count, 0));
  const all = parts.map((layers) => beside(layers));
  const block = (i: number, k: number) => largestOfGram(rowsOf(all[k]!, starts[i]!, rows[i]!.count));
  const values = rows.map((_, i) => networks.map((_, k) => block(i, k)));
  const across = values.flatMap((byNetwork, i) =>
    byNetwork.flatMap((value, k) =>
      i === k ? [] : [{ residual: rows[i]!.name, network: networks[k]!, lambdaMax: value }],
    ),
  );
  const largest = across.reduce((a, b) => (b.lambdaMax > a.lambdaMax ? b : a), across[0]!);
  const square = rows.length === networks.length && rows.length > 1;
  const K = beside(all);
  return {
    blocks: Object.fromEntries(
      rows.map(({ name }, i) => [name, Object.fromEntries(networks.map((network, k) => [network, values[i]![k]!]))]),
    ),
    ...(square ? { coupling: largest } : {}),
    stability: { below: growth(K, (0.99 * 2) / lambdaMax), above: growth(K, (1.01 * 2) / lambdaMax) },
    outside: Math.max(...layerwise.flatMap((layers, k) => layers.map((layer) => outside(layer, own[k]!)))),
  };
}

const rowsOf = ({ columns, data }: Tall, start: number, count: number): Tall => ({
  rows: count,
  columns,
  data: data.slice(start * columns, (start + count) * columns),
});

const norm = (x: Float64Array) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));

/** |r| after steps r <- r - eta L L^T r over |r| before. */
function growth(L: Tall, eta: number): number {
  let r = Float64Array.from({ length: L.rows }, (_, i) => 1 + 0.5 * Math.sin(1.7 * i + 0.3));
  const before = norm(r);
  for (let step = 0; step < STEPS; step++) {
    const change = applyGram(L, r);
    r = r.map((value, i) => value - eta * change[i]!);
  }
  return norm(r) / before;
}

/** Largest distance of a unit direction of a layer's range from what its network's rows span. */
function outside(layer: Singular, network: Singular): number {
  const U = firstColumns(layer.U, rankOf(layer.values, RESOLVED));
  const Q = firstColumns(network.U, rankOf(network.values, SPANNED));
  let most = 0;
  for (let j = 0; j < U.columns; j++) {
    const rest = Float64Array.from({ length: U.rows }, (_, i) => U.data[i * U.columns + j]!);
    const inner = new Float64Array(Q.columns);
    for (let i = 0; i < Q.rows; i++)
      for (let c = 0; c < Q.columns; c++) inner[c] = inner[c]! + rest[i]! * Q.data[i * Q.columns + c]!;
    for (let i = 0; i < Q.rows; i++)
      for (let c = 0; c < Q.columns; c++) rest[i] = rest[i]! - Q.data[i * Q.columns + c]! * inner[c]!;
    most = Math.max(most, norm(rest));
  }
  return most;
}
