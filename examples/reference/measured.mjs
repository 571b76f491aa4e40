/** Measurements of a known field at random points, with Gaussian noise: the same for the same seed. */

/** Uniform in (0, 1): xorshift of 32 bits (Marsaglia 2003). */
function uniform(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
}

/** Columns of `count` points in a box, { x: [low, high] }, and of `field` there; `noise` is a standard deviation. */
export function measured(field, of, box, { count, noise, seed }) {
  const random = uniform(seed);
  const columns = Object.fromEntries([...Object.keys(box), field].map((name) => [name, []]));
  for (let k = 0; k < count; k++) {
    const point = Object.values(box).map(([low, high]) => low + (high - low) * random());
    for (const [d, name] of Object.keys(box).entries()) columns[name].push(point[d]);
    const gaussian = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    columns[field].push(of(...point) + noise * gaussian);
  }
  return columns;
}
