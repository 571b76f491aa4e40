/** The pictures of one training in the plane: its fields, their references, its residuals. */
import type { System } from '../../systems/index.ts';
import type { Contestant } from './contestant.ts';
import { pictureKey } from './messages.ts';
import type { Axis, Painter, Points } from './plane.ts';
import { rangeOf } from './range.ts';

type Draw = () => void;

/** Functions that draw: those of each contestant, to be called whenever it stands elsewhere. */
export type Pictures = ReadonlyMap<Contestant, readonly Draw[]>;

/** Draws the references, which stay, and prepares the rest. */
export function picturesOf(
  painter: Painter,
  contestants: readonly Contestant[],
  canvases: Readonly<Record<string, OffscreenCanvas>>,
): Pictures {
  const [{ trainer, problem }] = contestants as [Contestant];
  const evaluation = pointsOf(painter, problem.system, trainer.evaluation);
  const interior = pointsOf(painter, problem.system, problem.runs[0]!.points['interior']!);
  const references = new Map(
    Object.entries(trainer.exact(0)).map(([name, exact]) => [
      name,
      { values: painter.upload(Float32Array.from(exact)), range: painter.upload(Float32Array.from(rangeOf(exact))) },
    ]),
  );
  for (const [name, reference] of references) {
    const canvas = canvases[pictureKey('field', name)];
    if (canvas) painter.on(canvas, { points: evaluation, ...reference })();
  }
  return new Map(
    contestants.map((contestant) => {
      const { fields, residuals, optimizer } = contestant;
      const draws: Draw[] = [];
      for (const name of fields?.names ?? []) {
        const canvas = canvases[pictureKey('field', name, optimizer)];
        const { values, range } = fields!.places(name);
        const scale = references.get(name)?.range ?? range;
        if (canvas) draws.push(painter.on(canvas, { points: evaluation, values, range: scale }));
      }
      for (const name of residuals.names) {
        const canvas = canvases[pictureKey('residual', name, optimizer)];
        if (canvas) draws.push(painter.on(canvas, { points: interior, ...residuals.places(name) }));
      }
      return [contestant, draws];
    }),
  );
}

function pointsOf(painter: Painter, system: System, points: Readonly<Record<string, Float64Array>>): Points {
  const [x, y] = system.coordinates.map(
    (name): Axis => ({
      values: points[name]!,
      extent: system.extents?.[name] ?? [0, 1],
    }),
  );
  return painter.points(x!, y!);
}
