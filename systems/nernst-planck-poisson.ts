import { boundaryLayerPoints, linspace } from './points.ts';
import { wallPotential } from './poisson-boltzmann.ts';
import type { System } from './system.ts';

/** Ions c+, c- in their own potential phi next to a charged wall at x = 0; stiffness 1/epsilon^2 (PAPER 2.3). */
export const nernstPlanckPoisson: System = {
  name: 'nernst-planck-poisson',
  title: '1D Nernst-Planck-Poisson',
  coordinates: ['x'],
  networks: [
    { name: 'cp', fields: ['cp'] },
    { name: 'cm', fields: ['cm'] },
    { name: 'phi', fields: ['phi'] },
  ],
  architecture: { hidden: 4, width: 64 },
  parameters: {
    epsilon: {
      value: 0.5,
      about: 'Debye length over the length of the domain: the smaller, the stiffer',
      positive: true,
    },
    zeta: { value: 1, about: 'wall potential' },
  },
  coupling: { parameter: 'epsilon', values: [1, 0.5, 0.2] },

  exact: { cp: 'exp(-phi_ref)', cm: 'exp(phi_ref)', phi: 'phi_ref' },
  definitions: {},
  residuals: {
    'NP+': 'cp.xx + cp.x*phi.x + cp*phi.xx',
    'NP-': 'cm.xx - cm.x*phi.x - cm*phi.xx',
    P: 'epsilon^2*phi.xx + cp - cm',
  },
  conditions: [
    { group: 'wall', over: 'sum', residuals: ['phi - zeta', 'cp - exp(-zeta)', 'cm - exp(zeta)'] },
    { group: 'bulk', over: 'sum', residuals: ['phi', 'cp - 1', 'cm - 1'] },
  ],

  reference({ epsilon, zeta }) {
    const potential = wallPotential(epsilon!, zeta!);
    return { phi_ref: ([x]) => potential.at(x!) };
  },
  points: ({ epsilon }) => ({
    interior: { x: boundaryLayerPoints(epsilon!) },
    wall: { x: Float64Array.of(0) },
    bulk: { x: Float64Array.of(1) },
  }),
  evaluation: () => ({ x: linspace(0, 1, 1000) }),
  training: { epochs: { adam: 30000, soap: 30000 }, learningRate: 3e-4, soapBetas: [0.95, 0.95] },
};
