/** sin or cos of the modes of a layer that drains at z = 0 only, each with its decay. @type {(of: string) => string} */
const modes = (of) =>
  [1, 3, 5, 7, 9, 11, 13, 15, 17, 19].map((m) => of.replaceAll('lambda', `(${m}*pi/2)`)).join(' + ');

/**
 * Consolidation of a saturated layer under a load that is put on at once (Terzaghi 1925; as the poroelasticity of Biot 1941).
 * Displacement u and pore pressure p are coupled by tau, alpha^2 M / (K + 4/3 G); times are in units of consolidation, and
 * begin when ten modes are the solution to 1e-7. @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'terzaghi',
  title: "Terzaghi's consolidation",
  coordinates: { z: [0, 1], t: [0.02, 1] },
  fields: ['u', 'p'],
  parameters: {
    tau: { value: 2, about: 'coupling strength', positive: true },
    load: { value: 1, about: 'load on z = 0' },
  },
  coupling: { parameter: 'tau', values: [0.5, 2, 8] },
  residuals: { equilibrium: 'u.zz - p.z', storage: '(p.t + tau*u.zt)/(1 + tau) - p.zz' },
  conditions: [
    { at: { t: 0.02 }, residuals: ['u - u_exact', 'p - p_exact'], term: 'IC' },
    { at: { z: 0 }, residuals: ['u.z - p + load', 'p'] },
    { at: { z: 1 }, residuals: ['u', 'p.z'] },
  ],
  exact: {
    u: `load*(1 - z) - 2*load*tau/(1 + tau)*(${modes('exp(-lambda^2*t)*cos(lambda*z)/lambda^2')})`,
    p: `2*load*tau/(1 + tau)*(${modes('exp(-lambda^2*t)*sin(lambda*z)/lambda')})`,
  },
};
