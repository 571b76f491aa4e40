/**
 * The Allen-Cahn equation u_t = d u_xx + 5 (u - u^3) on [-1, 1], periodic, from u = x^2 cos(pi x). Strang's splitting: half a
 * step of the reaction, which has a closed form, a step of diffusion, exact for each cosine, half a step of the reaction.
 */
import { kept } from './chebyshev.mjs';

const react = (u, h) => u.map((v) => v / Math.sqrt(v * v + (1 - v * v) * Math.exp(-10 * h)));

/** The solution as a function of x and t, with `modes` cosines and steps of `step`. */
export const allenCahn = kept((d, modes = 512, step = 5e-3) => {
  const nodes = Float64Array.from({ length: modes + 1 }, (_, j) => j / modes);
  const cosine = Float64Array.from({ length: 2 * modes }, (_, k) => Math.cos((Math.PI * k) / modes));
  const ends = (k) => (k === 0 || k === modes ? 0.5 : 1);
  /** Coefficients of cos(pi k x) from values at the nodes, and back. */
  const analyse = (u) =>
    nodes.map((_, k) => {
      let sum = 0;
      for (let j = 0; j <= modes; j++) sum += ends(j) * u[j] * cosine[(k * j) % (2 * modes)];
      return (2 / modes) * ends(k) * sum;
    });
  const synthesise = (a) =>
    nodes.map((_, j) => {
      let sum = 0;
      for (let k = 0; k <= modes; k++) sum += a[k] * cosine[(k * j) % (2 * modes)];
      return sum;
    });
  const stepped = (u, h) => {
    const diffused = analyse(react(u, h / 2)).map((a, k) => a * Math.exp(-d * (Math.PI * k) ** 2 * h));
    return react(synthesise(diffused), h / 2);
  };
  const states = [nodes.map((x) => x * x * Math.cos(Math.PI * x))];
  const stateAt = (n) => {
    while (states.length <= n) states.push(stepped(states.at(-1), step));
    return states[n];
  };
  const coefficientsAt = kept((t) => {
    const n = Math.floor(t / step + 1e-9);
    const rest = t - n * step;
    return analyse(rest > 1e-12 ? stepped(stateAt(n), rest) : stateAt(n));
  });
  return (x, t) => {
    const a = coefficientsAt(t);
    // Clenshaw's recurrence.
    const twice = 2 * Math.cos(Math.PI * x);
    let [one, two] = [0, 0];
    for (let k = modes; k > 0; k--) [one, two] = [a[k] + twice * one - two, one];
    return a[0] + (twice / 2) * one - two;
  };
});
