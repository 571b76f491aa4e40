/** Kernels with a mistake in their shaders: what checks have to find. */
import { type Grid, type Version, wgsl } from '../../engine/index.ts';

/** A version whose code is `wrong`. Its shaders throw where `wrong` changes nothing. */
export function mistaken(version: Version, wrong: (code: string) => string): Version {
  const edited = (grid: Grid): Grid => ({
    ...grid,
    code: (operands, uniforms) => {
      const right = wgsl(grid.code(operands, uniforms));
      const code = wrong(right);
      if (code === right) throw new Error(`nothing was replaced in ${grid.label ?? version.name}`);
      return code.split('\n');
    },
  });
  const build: Version['build'] = (call, capabilities) => {
    const { stages, ...rest } = version.build(call, capabilities);
    return { ...rest, stages: stages.map((grids) => grids.map(edited)) };
  };
  return { ...version, build };
}
