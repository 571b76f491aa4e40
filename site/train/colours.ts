/** Colours for numbers: from dark violet over green to yellow, even in lightness. */

type Colour = readonly [red: number, green: number, blue: number];

/** At equal distances from the lowest number to the highest; each channel from 0 to 255. */
const STOPS: readonly Colour[] = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

/** The colour of a share from 0 to 1; shares outside have the colour of the end. */
export function colourOf(share: number): Colour {
  const at = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const k = Math.min(STOPS.length - 2, Math.floor(at));
  const [from, to] = [STOPS[k]!, STOPS[k + 1]!];
  const channel = (c: 0 | 1 | 2) => from[c] + (at - k) * (to[c] - from[c]);
  return [channel(0), channel(1), channel(2)];
}

/** {@link colourOf} as a function of WGSL, channels from 0 to 1. */
export const colourWgsl = `
const stops = array<vec3f, ${STOPS.length}>(${STOPS.map((stop) => `vec3f(${stop.join(', ')})`).join(', ')});

fn colour_of(share: f32) -> vec3f {
  let at = clamp(share, 0.0, 1.0) * ${(STOPS.length - 1).toFixed(1)};
  let k = min(${STOPS.length - 2}u, u32(at));
  return mix(stops[k], stops[k + 1u], at - f32(k)) / 255.0;
}`;
