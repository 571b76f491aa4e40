import { allenCahn } from './reference/allen-cahn.mjs';

/**
 * Allen and Cahn's equation, whose phases part into layers (Raissi, Perdikaris and Karniadakis 2019). The network is periodic
 * in x, and the initial state holds whatever it says. @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'allen-cahn',
  title: 'Allen-Cahn equation',
  coordinates: { x: [-1, 1], t: [0, 1] },
  fields: ['u'],
  parameters: { d: { value: 1e-4, about: 'diffusivity', positive: true } },
  residuals: { 'Allen-Cahn': 'u.t - d*u.xx + 5*(u^3 - u)' },
  network: { periodic: ['x'] },
  transform: { u: 'x^2*cos(pi*x) + t*N' },
  points: { interior: 2000 },
  exact: { u: 'u_ref' },
  reference: ({ d }) => ({ u_ref: ([x, t]) => allenCahn(d)(x, t) }),
};
