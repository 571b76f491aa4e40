import { channelPoints, linspace } from './points.ts';
import { channelPotential } from './poisson-boltzmann.ts';
import type { Coordinates, System } from './system.ts';

/** Ions, potential and Stokes flow between two charged walls, driven by a field Ex along x, on [0,1]^2 (PAPER 2.4). */
export const electroosmoticFlow: System = {
  name: 'electroosmotic-flow',
  title: '2D electroosmotic flow',
  coordinates: ['x', 'y'],
  networks: [
    { name: 'phi', fields: ['phi'] },
    { name: 'cp', fields: ['cp'] },
    { name: 'cm', fields: ['cm'] },
    { name: 'flow', fields: ['u', 'v', 'p'] },
  ],
  architecture: { hidden: 5, width: 128 },
  parameters: {
    epsilon: {
      value: 0.2,
      about: 'Debye length over the width of the channel: the smaller, the stiffer',
      positive: true,
    },
    zeta: { value: 1, about: 'wall potential' },
    Ex: { value: 1, about: 'electric field along the channel' },
    mu: { value: 1, about: 'viscosity', positive: true },
  },
  coupling: { parameter: 'epsilon', values: [0.2, 0.1, 0.05] },

  exact: { phi: 'phi_ref', cp: 'exp(-phi_ref)', cm: 'exp(phi_ref)', u: 'Ex*epsilon^2/mu*(phi_ref - zeta)' },
  definitions: {},
  residuals: {
    Poisson: 'epsilon^2*phi.lap + cp - cm',
    'NP+': 'cp.lap + cp.x*phi.x + cp.y*phi.y + cp*phi.lap',
    'NP-': 'cm.lap - cm.x*phi.x - cm.y*phi.y - cm*phi.lap',
    'Stokes-x': '-p.x + mu*u.lap + Ex*(cp - cm)',
    'Stokes-y': '-p.y + mu*v.lap',
    continuity: 'u.x + v.y',
  },
  conditions: [
    { group: 'wall', over: 'mean', residuals: ['phi - zeta', 'cp - exp(-zeta)', 'cm - exp(zeta)', 'u', 'v'] },
    {
      group: 'side',
      over: 'mean',
      residuals: ['phi - phi_exact', 'cp - cp_exact', 'cm - cm_exact', 'u - u_exact', 'v', 'p'],
    },
  ],

  reference({ epsilon, zeta }) {
    const potential = channelPotential(epsilon!, zeta!);
    return { phi_ref: ([, y]) => potential.at(y!) };
  },
  points({ epsilon }, seed) {
    const { interior, wall, side } = channelPoints({ epsilon: epsilon!, seed });
    return { interior: columns(interior), wall: columns(wall), side: columns(side) };
  },
  evaluation() {
    const [x, y] = [linspace(0, 1, 50), linspace(0, 1, 200)];
    return {
      x: Float64Array.from({ length: 10000 }, (_, k) => x[Math.floor(k / 200)]!),
      y: Float64Array.from({ length: 10000 }, (_, k) => y[k % 200]!),
    };
  },
  training: { epochs: { adam: 50000, soap: 100000 }, learningRate: 3e-4, soapBetas: [0.95, 0.95] },
};

/** Rows (x, y) as one array for each coordinate. */
function columns(rows: Float64Array): Coordinates {
  const column = (d: number) => Float64Array.from({ length: rows.length / 2 }, (_, k) => rows[2 * k + d]!);
  return { x: column(0), y: column(1) };
}
