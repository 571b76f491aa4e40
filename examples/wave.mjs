/** A standing wave on a string, held at both ends and at rest at first. @type {import('tapir/systems').SystemSpec} */
export default {
  name: 'wave',
  title: '1D wave equation',
  coordinates: { x: [0, 1], t: [0, 1] },
  fields: ['u'],
  parameters: { c: { value: 1, about: 'speed of sound', positive: true } },
  residuals: { wave: 'u.tt - c^2*u.xx' },
  conditions: [
    { at: { t: 0 }, residuals: ['u - sin(pi*x)', 'u.t'], term: 'IC' },
    { at: { x: 0 }, residuals: ['u'] },
    { at: { x: 1 }, residuals: ['u'] },
  ],
  exact: { u: 'sin(pi*x)*cos(c*pi*t)' },
};
