/** Heat conduction in a rod, with time: a sine decays. @type {import('tapir/systems').SystemSpec} */
export default {
  name: 'heat',
  title: '1D heat conduction',
  coordinates: { x: [0, 1], t: [0, 1] },
  fields: ['T'],
  parameters: { alpha: { value: 0.1, about: 'thermal diffusivity', positive: true } },
  residuals: { heat: 'T.t - alpha*T.xx' },
  conditions: [
    { at: { t: 0 }, residuals: ['T - sin(pi*x)'], term: 'IC' },
    { at: { x: 0 }, residuals: ['T'] },
    { at: { x: 1 }, residuals: ['T'] },
  ],
  exact: { T: 'exp(-alpha*pi^2*t)*sin(pi*x)' },
};
