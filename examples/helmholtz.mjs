/** Helmholtz' equation on a square (Wang, Teng and Perdikaris 2021). @type {import('tapir/systems').SystemSpec} */
export default {
  name: 'helmholtz',
  title: '2D Helmholtz equation',
  coordinates: { x: [-1, 1], y: [-1, 1] },
  fields: ['u'],
  parameters: { k: { value: 1, about: 'wave number' }, a: 1, b: 4 },
  definitions: { f: '(k^2 - (a*pi)^2 - (b*pi)^2)*sin(a*pi*x)*sin(b*pi*y)' },
  residuals: { Helmholtz: 'u.lap + k^2*u - f' },
  conditions: [
    { at: { x: -1 }, residuals: ['u - u_exact'] },
    { at: { x: 1 }, residuals: ['u - u_exact'] },
    { at: { y: -1 }, residuals: ['u - u_exact'] },
    { at: { y: 1 }, residuals: ['u - u_exact'] },
  ],
  exact: { u: 'sin(a*pi*x)*sin(b*pi*y)' },
};
