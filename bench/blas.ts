/** Which BLAS a peer computes with, and whether a comparison with it is fair. */

/** What a peer found in its own process. */
export interface BlasFacts {
  /** Paths of the libraries mapped into it that look like linear algebra. */
  readonly libraries: readonly string[];
  /** What PyTorch says it was built with: `mkl`, `open`, `generic`, .. */
  readonly built: string;
  /** Threads, where the library tells. */
  readonly threads?: number;
}

export interface Blas {
  /** For instance `OpenBLAS 0.3.21, 1 thread`. */
  readonly name: string;
  /** Why times with it are no measure of the peer, and what to install. */
  readonly unfair?: string;
}

const REMEDY = 'install OpenBLAS (libopenblas0-pthread)';

/** Libraries that are made to be fast, by what their files or PyTorch's build call them. */
const OPTIMISED: readonly (readonly [name: string, file: RegExp, built: RegExp])[] = [
  ['OpenBLAS', /openblas/i, /^open/i],
  ['MKL', /libmkl_/i, /^mkl/i],
  ['BLIS', /blis/i, /^(blis|flame)/i],
  ['Arm Performance Libraries', /armpl/i, /^armpl/i],
  ['ATLAS', /atlas/i, /^atlas/i],
  ['Accelerate', /accelerate/i, /^(accelerate|veclib)/i],
];

/** A judgement on facts: one of the optimised libraries is fair, the reference implementation and what is unknown are not. */
export function judgeBlas({ libraries, built, threads }: BlasFacts): Blas {
  const said = threads === undefined ? '' : `, ${threads} thread${threads === 1 ? '' : 's'}`;
  for (const [name, file] of OPTIMISED) {
    const path =
      libraries.find((each) => file.test(fileOf(each))) ?? libraries.find((each) => file.test(folderOf(each)));
    if (path) return { name: `${name}${versionOf(libraries, file)}${said}` };
  }
  const reference = libraries.find((path) => /blas/i.test(fileOf(path)));
  if (reference) return { name: 'reference BLAS', unfair: `a reference BLAS, ${fileOf(reference)}: ${REMEDY}` };
  const linked = OPTIMISED.find(([, , how]) => how.test(built));
  if (linked) return { name: `${linked[0]}${said}` };
  return { name: 'unknown BLAS', unfair: `it does not say which BLAS it uses: ${REMEDY}` };
}

const fileOf = (path: string) => path.split('/').at(-1)!;
/** Debian keeps every libblas.so.3 in a folder named after what it is. */
const folderOf = (path: string) => path.split('/').at(-2) ?? '';

/** ` 0.3.21` out of `libopenblasp-r0.3.21.so`. */
function versionOf(libraries: readonly string[], file: RegExp): string {
  const versions = libraries.flatMap((path) =>
    file.test(path) ? (/-r?(\d+\.\d+\.\d+)/.exec(fileOf(path)) ?? []) : [],
  );
  return versions[1] ? ` ${versions[1]}` : '';
}
