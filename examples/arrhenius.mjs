import { pellet } from './reference/pellet.mjs';

/**
 * An exothermic reaction in a catalyst slab (Weisz and Hicks 1962): heat and concentration are coupled by an Arrhenius rate.
 * Both stay positive and have their values on the faces whatever the networks say. @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'arrhenius',
  title: 'Heat and reaction',
  coordinates: { x: [-1, 1] },
  fields: ['T', 'c'],
  parameters: {
    phi: { value: 1, about: 'Thiele modulus: rate of reaction against diffusion', positive: true },
    beta: { value: 0.3, about: 'heat of reaction', positive: true },
    gamma: { value: 10, about: 'activation energy', positive: true },
  },
  coupling: { parameter: 'phi', values: [0.5, 1, 2] },
  transform: { T: 'exp((1 - x^2)*N)', c: 'exp((x^2 - 1)*N)' },
  residuals: {
    heat: 'T.xx + beta*phi^2*c*exp(gamma*(1 - 1/T))',
    diffusion: 'c.xx - phi^2*c*exp(gamma*(1 - 1/T))',
  },
  points: { interior: 200 },
  exact: { T: '1 + beta*(1 - c_ref)', c: 'c_ref' },
  reference({ phi, beta, gamma }) {
    return { c_ref: ([x]) => pellet(phi, beta, gamma)(x) };
  },
};
