import { burgers } from './reference/burgers.mjs';

/**
 * Viscous Burgers' equation, which steepens a sine into a shock (Raissi, Perdikaris and Karniadakis 2019). The reference is
 * Cole and Hopf's integral. @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'burgers',
  title: "Burgers' equation",
  coordinates: { x: [-1, 1], t: [0, 1] },
  fields: ['u'],
  parameters: { nu: { value: 0.01 / Math.PI, about: 'viscosity', positive: true } },
  residuals: { burgers: 'u.t + u*u.x - nu*u.xx' },
  conditions: [
    { at: { t: 0 }, residuals: ['u + sin(pi*x)'], term: 'IC' },
    { at: { x: -1 }, residuals: ['u'] },
    { at: { x: 1 }, residuals: ['u'] },
  ],
  points: { interior: 2000, layers: [{ at: { x: 0 }, depth: 0.1 }] },
  exact: { u: 'u_ref' },
  reference: ({ nu }) => ({ u_ref: ([x, t]) => burgers(nu, x, t) }),
};
