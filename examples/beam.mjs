/** A simply supported beam under a sine of load, of fourth order. @type {import('tapir/systems').SystemSpec} */
export default {
  name: 'beam',
  title: 'Euler-Bernoulli beam',
  coordinates: { x: [0, 1] },
  fields: ['w'],
  parameters: { EI: { value: 1, about: 'bending stiffness', positive: true }, q: { value: 100, about: 'load' } },
  residuals: { beam: 'EI*w.xxxx - q*sin(pi*x)' },
  conditions: [
    { at: { x: 0 }, residuals: ['w', 'w.xx'] },
    { at: { x: 1 }, residuals: ['w', 'w.xx'] },
  ],
  points: { interior: 200 },
  exact: { w: 'q/(EI*pi^4)*sin(pi*x)' },
};
