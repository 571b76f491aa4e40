import { convection } from './reference/convection.mjs';

const fields = ['u', 'v', 'p', 'T'];

/**
 * Natural convection in a square cavity with a hot wall and a cold one (de Vahl Davis 1983), in free-fall units. Flow and heat
 * are coupled both ways by the Rayleigh number. @type {import('tapir/systems').SystemSpec}
 */
export default {
  name: 'convection',
  title: 'Natural convection',
  coordinates: { x: [0, 1], y: [0, 1] },
  fields: { flow: ['u', 'v', 'p'], heat: ['T'] },
  parameters: {
    Ra: { value: 1000, about: 'Rayleigh number: the coupling', positive: true },
    Pr: { value: 0.71, about: 'Prandtl number', positive: true },
  },
  coupling: { parameter: 'Ra', values: [100, 1000, 10000] },
  definitions: { nu: 'sqrt(Pr/Ra)', a: '1/sqrt(Ra*Pr)' },
  residuals: {
    'momentum-x': 'u*u.x + v*u.y + p.x - nu*u.lap',
    'momentum-y': 'u*v.x + v*v.y + p.y - nu*v.lap - T',
    continuity: 'u.x + v.y',
    heat: 'u*T.x + v*T.y - a*T.lap',
  },
  conditions: [
    { at: { x: 0 }, residuals: ['u', 'v', 'T - 1'] },
    { at: { x: 1 }, residuals: ['u', 'v', 'T'] },
    { at: { y: 0 }, residuals: ['u', 'v', 'T.y'] },
    { at: { y: 1 }, residuals: ['u', 'v', 'T.y'] },
    { at: { x: 0, y: 0 }, residuals: ['p'] },
  ],
  exact: Object.fromEntries(fields.map((field) => [field, `${field}_ref`])),
  reference: ({ Ra, Pr }) =>
    Object.fromEntries(fields.map((field) => [`${field}_ref`, ([x, y]) => convection(Ra, Pr)[field](x, y)])),
};
