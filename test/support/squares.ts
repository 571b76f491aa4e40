/** A small dense problem of least squares, with its Jacobian. */
import { Matrix } from 'ml-matrix';
import type { LeastSquares, Span } from '../../optim/index.ts';

/** r_i = sum_j a_ij tanh(theta_j) - b_i: J is a_ij (1 - tanh^2). Each half of the parameters is a network, whose first third is a layer. */
export function squares(
  M: number,
  P: number,
  noise = 0,
): LeastSquares & { J(theta: Float64Array): Matrix; asked: number[] } {
  const a = (i: number, j: number) => Math.sin(1 + 3 * i + 7 * j + i * j);
  const b = (i: number) => Math.cos(i) * 0.3 + noise * Math.sin(50 * i);
  const J = (theta: Float64Array) =>
    new Matrix(Array.from({ length: M }, (_, i) => [...theta].map((t, j) => a(i, j) * (1 - Math.tanh(t) ** 2))));
  const half = P >> 1;
  const networks = [
    { start: 0, count: half },
    { start: half, count: P - half },
  ].map(({ start, count }) => {
    const first = Math.ceil(count / 3);
    return [
      { start, count: first },
      { start: start + first, count: count - first },
    ];
  });
  const columns = (full: Matrix, { start, count }: Span) => full.subMatrix(0, M - 1, start, start + count - 1);
  const part = (full: Matrix, k: number) =>
    columns(full, k === 0 ? { start: 0, count: half } : { start: half, count: P - half });
  const flat = (m: Matrix) => Float64Array.from(m.to1DArray());
  const asked: number[] = [];
  return {
    rows: M,
    parameters: P,
    networks,
    candidates: 3,
    asked,
    J,
    residuals: async (thetas) => {
      asked.push(thetas.length);
      return thetas.map((theta) =>
        Float64Array.from({ length: M }, (_, i) => theta.reduce((s, t, j) => s + a(i, j) * Math.tanh(t), -b(i))),
      );
    },
    linearize: async (theta) => {
      const full = J(theta);
      return {
        gram: async (k, layer) => {
          const whole = k === undefined ? full : part(full, k);
          const own = k !== undefined && layer !== undefined ? columns(full, networks[k]![layer]!) : whole;
          return flat(own.mmul(own.transpose()));
        },
        normal: async () => flat(full.transpose().mmul(full)),
        transposed: async (y) => {
          const ys = y instanceof Float64Array ? [y, y] : y;
          return Float64Array.from(
            [0, 1].flatMap((k) =>
              part(full, k)
                .transpose()
                .mmul(Matrix.columnVector([...ys[k]!]))
                .to1DArray(),
            ),
          );
        },
        applied: async (phi) => flat(full.mmul(Matrix.columnVector([...phi]))),
      };
    },
  };
}
