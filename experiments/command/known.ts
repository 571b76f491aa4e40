/** Systems as they are named on the command line: built-in ones by name, a user's own by its file. */
import { addSystem } from '../../systems/index.ts';
import { isSystemFile, readSystem } from '../disk/system-file.ts';

/** The name of a system; one that is given as a file becomes known by its own. */
export async function known(system: string): Promise<string> {
  if (!isSystemFile(system)) return system;
  const own = await readSystem(system);
  addSystem(own);
  return own.name;
}
