/**
 * tanh in float32 without the built-in, which some drivers compute by e^x / e^-x and overflow: below 0.625 an odd
 * polynomial (Moshier's Cephes, tanhf), above it (1 - t) / (1 + t) with t = exp(-2|x|), which only ever vanishes.
 * Odd, monotone to rounding, +-1 at the infinities, NaN stays NaN. Within 5 ulp where exp and division are as accurate
 * as WGSL demands of them; the test holds an adapter to that.
 */
export const TANH_WGSL = `fn tapir_tanh(x: f32) -> f32 {
  let a = abs(x);
  let z = x * x;
  let series = fma(fma(fma(fma(-5.70498872745e-3, z, 2.06390887954e-2), z, -5.37397155531e-2), z, 1.33314422036e-1), z, -3.33332819422e-1);
  let t = exp(-2.0 * a);
  let y = (1.0 - t) / (1.0 + t);
  return select(select(y, -y, x < 0.0), fma(series * z, x, x), a < 0.625);
}
`;
