/** Networks of one architecture stacked, so that one dispatch serves them all. */
import { type Architecture, layersOf, NetworkError } from './architecture.ts';
import type { NetworkShape, System } from './system.ts';

/** Networks of one architecture, in order of construction. */
export interface Stack {
  /** Input name of the parameters, [R * networks, P]; row r * networks + k is network k of run r. */
  readonly theta: string;
  readonly networks: readonly string[];
  readonly fields: readonly (readonly string[])[];
  readonly architecture: Architecture;
}

/** Groups a system's networks by architecture. Throws NetworkError where their shape makes no sense. */
export function stacksOf(system: System, shape: NetworkShape = system.architecture): Stack[] {
  const sizes = [...new Set(system.networks.map(({ fields }) => fields.length))];
  return sizes.map((outputs): Stack => {
    const members = system.networks.filter(({ fields }) => fields.length === outputs);
    const architecture = { ...architectureOf(system, shape, outputs), ...extentsOf(system) };
    layersOf(architecture);
    return {
      theta: sizes.length === 1 ? 'theta' : `theta.${members.map(({ name }) => name).join('+')}`,
      networks: members.map(({ name }) => name),
      fields: members.map(({ fields }) => fields),
      architecture,
    };
  });
}

/** Of a network of a system. Throws {@link NetworkError} where its shape names what is no coordinate. */
export function architectureOf(
  { coordinates }: Pick<System, 'coordinates'>,
  { periodic, ...shape }: NetworkShape,
  outputs: number,
): Architecture {
  const position = (name: string) => {
    const found = coordinates.indexOf(name);
    if (found < 0)
      throw new NetworkError(`network.periodic: there is no coordinate ${name}; there are ${coordinates.join(', ')}`);
    return found;
  };
  return {
    ...{ inputs: coordinates.length, outputs, ...shape },
    ...(periodic && periodic.length > 0 ? { periodic: periodic.map(position) } : {}),
  };
}

function extentsOf({ coordinates, extents }: System): Pick<Architecture, 'extents'> {
  return extents ? { extents: coordinates.map((name) => extents[name] ?? [0, 1]) } : {};
}
