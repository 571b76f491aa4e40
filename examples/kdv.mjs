/** Korteweg and de Vries' equation, of third order: a soliton moves on. @type {import('tapir/systems').SystemSpec} */
export default {
  name: 'kdv',
  title: 'Korteweg-de Vries equation',
  coordinates: { x: [-8, 8], t: [0, 1] },
  fields: ['u'],
  parameters: { c: { value: 2, about: 'speed of the soliton', positive: true } },
  definitions: { slope: '-c*sqrt(c)/2*tanh(sqrt(c)/2*(x - c*t))/cosh(sqrt(c)/2*(x - c*t))^2' },
  residuals: { KdV: 'u.t + 6*u*u.x + u.xxx' },
  conditions: [
    { at: { t: 0 }, residuals: ['u - u_exact'], term: 'IC' },
    { at: { x: -8 }, residuals: ['u - u_exact'] },
    { at: { x: 8 }, residuals: ['u - u_exact', 'u.x - slope'] },
  ],
  exact: { u: 'c/(2*cosh(sqrt(c)/2*(x - c*t))^2)' },
};
