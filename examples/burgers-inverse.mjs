import { burgers } from './reference/burgers.mjs';
import { measured } from './reference/measured.mjs';

const [nu, x, t] = [0.05, [-1, 1], [0, 1]];

/**
 * The viscosity in Burgers' equation from 60 measurements with a noise of 1 percent, after Raissi, Perdikaris and Karniadakis
 * (2019). @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'burgers-inverse',
  title: "Viscosity in Burgers' equation",
  coordinates: { x, t },
  fields: ['u'],
  parameters: { nu: { value: 0.2, about: 'viscosity, 0.05 in truth', positive: true, trainable: true } },
  residuals: { burgers: 'u.t + u*u.x - nu*u.xx' },
  conditions: [
    { at: { t: 0 }, residuals: ['u + sin(pi*x)'], term: 'IC' },
    { at: { x: -1 }, residuals: ['u'] },
    { at: { x: 1 }, residuals: ['u'] },
  ],
  observations: [{ values: measured('u', (x, t) => burgers(nu, x, t), { x, t }, { count: 60, noise: 0.01, seed: 1 }) }],
  exact: { u: 'u_ref' },
  reference: () => ({ u_ref: ([x, t]) => burgers(nu, x, t) }),
};
