/** Whether a system means anything at given parameters. */
import { ParameterError, type Parameters, type System } from './system.ts';
import { knownValues } from './values.ts';

/**
 * Throws {@link ParameterError} where a known function or the reference solution is no number that float32 holds, and
 * whatever the reference solution itself throws.
 */
export function checkReference(system: System, parameters: Parameters): void {
  const interior = system.points(parameters, 0)['interior']!;
  const evaluation = system.evaluation();
  const known = [
    ...Object.keys(system.definitions).map((name) => ({ name, points: interior })),
    ...Object.keys(system.exact).map((field) => ({ name: `${field}_exact`, points: evaluation })),
  ];
  for (const { name, points } of known) {
    const values = knownValues(system, name, parameters, points);
    const bad = values.findIndex((value) => !Number.isFinite(Math.fround(value)));
    if (bad < 0) continue;
    const place = system.coordinates.map((key) => `${key} = ${Number(points[key]![bad]!.toPrecision(3))}`).join(', ');
    const given = Object.entries(parameters).map(([key, value]) => `${key} = ${value}`);
    throw new ParameterError(
      `${system.name}: ${name} is ${values[bad]} at ${place}, which float32 does not hold; ${given.join(', ')} is out of range`,
    );
  }
}
