/**
 * Hartmann flow: a conducting fluid driven through a magnetic field across the channel. Velocity u and induced field b
 * are coupled by the Hartmann number (Hartmann 1937). @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'hartmann',
  title: 'Hartmann flow',
  coordinates: { y: [-1, 1] },
  fields: ['u', 'b'],
  parameters: {
    Ha: { value: 5, about: 'Hartmann number: the coupling', positive: true },
    G: { value: 1, about: 'pressure gradient' },
  },
  coupling: { parameter: 'Ha', values: [1, 2, 5, 10, 20] },
  residuals: { momentum: 'u.yy + Ha*b.y + G', induction: 'b.yy + Ha*u.y' },
  conditions: [
    { at: { y: -1 }, residuals: ['u', 'b'], over: 'sum' },
    { at: { y: 1 }, residuals: ['u', 'b'], over: 'sum' },
  ],
  points: { interior: 200 },
  exact: {
    u: 'G/Ha*cosh(Ha)/sinh(Ha)*(1 - cosh(Ha*y)/cosh(Ha))',
    b: 'G/Ha*(sinh(Ha*y)/sinh(Ha) - y)',
  },
};
