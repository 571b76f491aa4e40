/** Kernels with a mistake in their shaders: what checks have to find. */
import { buildText, type Grid, type Version, wgsl } from '../../engine/index.ts';

/** A version whose code is `wrong`. Throws when it is built where `wrong` changes nothing. */
export function mistaken(version: Version, wrong: (code: string) => string): Version {
  const edited = (grid: Grid): Grid => ({
    ...grid,
    code: (operands, uniforms) => wrong(wgsl(grid.code(operands, uniforms))).split('\n'),
  });
  const build: Version['build'] = (call, capabilities) => {
    const right = version.build(call, capabilities);
    const build = { ...right, stages: right.stages.map((grids) => grids.map(edited)) };
    if (buildText(build, call) === buildText(right, call)) throw new Error(`nothing was replaced in ${version.name}`);
    return build;
  };
  return { ...version, build };
}
