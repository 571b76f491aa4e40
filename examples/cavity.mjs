import { cavity } from './reference/cavity.mjs';

/**
 * Flow in a square cavity under a moving lid (Ghia, Ghia and Shin 1982). Velocities and pressure come from one network.
 * @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'cavity',
  title: 'Lid-driven cavity',
  coordinates: { x: [0, 1], y: [0, 1] },
  fields: { flow: ['u', 'v', 'p'] },
  parameters: { Re: { value: 100, about: 'Reynolds number', positive: true } },
  residuals: {
    'momentum-x': 'u*u.x + v*u.y + p.x - u.lap/Re',
    'momentum-y': 'u*v.x + v*v.y + p.y - v.lap/Re',
    continuity: 'u.x + v.y',
  },
  conditions: [
    { at: { y: 1 }, residuals: ['u - 1', 'v'] },
    { at: { y: 0 }, residuals: ['u', 'v'] },
    { at: { x: 0 }, residuals: ['u', 'v'] },
    { at: { x: 1 }, residuals: ['u', 'v'] },
    { at: { x: 0, y: 0 }, residuals: ['p'] },
  ],
  points: { interior: 2000 },
  exact: { u: 'u_ref', v: 'v_ref' },
  reference({ Re }) {
    return { u_ref: ([x, y]) => cavity(1 / Re).u(x, y), v_ref: ([x, y]) => cavity(1 / Re).v(x, y) };
  },
};
