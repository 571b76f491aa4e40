/**
 * Burgers' equation on [-1, 1] from u = -sin(pi x), by the transformation of Cole and Hopf: u is the mean of (x - y)/t under
 * the density exp(-cos(pi y)/(2 pi nu) - (x - y)^2/(4 nu t)), taken here with z = (y - x)/sqrt(4 nu t) by the trapezoidal
 * rule, whose error falls exponentially with the number of nodes.
 */
export function burgers(nu, x, t, nodes = 801) {
  if (t === 0) return -Math.sin(Math.PI * x);
  const width = Math.sqrt(4 * nu * t);
  // Beyond, the Gaussian is smaller than all that the other factor can make up for, by e^-40.
  const reach = Math.sqrt(40 + 1 / (Math.PI * nu));
  const at = Array.from({ length: nodes }, (_, k) => reach * ((2 * k) / (nodes - 1) - 1));
  const exponents = at.map((z) => -Math.cos(Math.PI * (x + width * z)) / (2 * Math.PI * nu) - z * z);
  const largest = Math.max(...exponents);
  let [above, below] = [0, 0];
  exponents.forEach((exponent, k) => {
    const density = Math.exp(exponent - largest);
    above -= at[k] * width * density;
    below += density;
  });
  return above / below / t;
}
