import { measured } from './reference/measured.mjs';

const temperature = (x) => x + Math.sin(2 * Math.PI * x) / (4 * Math.PI);

/**
 * The conductivity of a rod, a function k of the place, from 60 temperatures with noise and the heat that goes in at one end.
 * k is positive whatever its network says. @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'conductivity',
  title: 'Conductivity of a rod',
  coordinates: { x: [0, 1] },
  fields: ['T', 'k'],
  transform: { k: 'exp(N)' },
  residuals: { conduction: 'k*T.xx + k.x*T.x' },
  conditions: [{ at: { x: 0 }, residuals: ['k*T.x - 1'], term: 'flux' }],
  observations: [{ values: measured('T', temperature, { x: [0, 1] }, { count: 60, noise: 0.002, seed: 1 }) }],
  points: { interior: 100 },
  exact: { T: 'x + sin(2*pi*x)/(4*pi)', k: '1/(1 + cos(2*pi*x)/2)' },
};
