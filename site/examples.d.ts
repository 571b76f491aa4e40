/** The gallery's files, which are programs without types. */
declare module '*.mjs' {
  import type { SystemSpec } from '../systems/index.ts';

  const spec: SystemSpec;
  export default spec;
}
