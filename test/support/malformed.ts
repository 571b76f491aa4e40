/** What a user may mistype, generated from what the commands say that they take. */
import type { Command } from 'commander';
import { pathsIn, replaced } from './damage.ts';

const LONG = 'x'.repeat(4000);
const UNICODE = ['\u00a05', '5\u2009', '\u0665', '５', '5\u200b', '½'];
const NOT_WHOLE = [
  '',
  ' ',
  '-1',
  '1.5',
  '1e3',
  '0x10',
  '0b1',
  'NaN',
  'Infinity',
  'ten',
  '1,000;',
  '1_000',
  '+-1',
  '9007199254740993',
  'null',
  LONG,
  ...UNICODE,
];
const NOT_NUMBERS = [
  '',
  ' ',
  'NaN',
  'Infinity',
  '-Infinity',
  '1e39',
  '-1e39',
  '1e999',
  '1e-39',
  '1e-320',
  '3e-400',
  '0x10',
  '1e',
  'e5',
  '.',
  '1;5',
  '1.2.3',
  'true',
  '{}',
  LONG,
  ...UNICODE,
];
const PROTOTYPE = ['toString', 'constructor', '__proto__', 'hasOwnProperty', 'valueOf'];
const NAMES = [
  '',
  ' ',
  'nonsense',
  'THERMOELASTICITY',
  '<script>alert(1)</script>',
  'a\nb',
  '\u001b[2J',
  '\u202egnp',
  '-',
  '"',
  LONG,
  ...PROTOTYPE,
];
const FILES = ['gone.mjs', './gone.json', '../gone.ts', '/', 'gone/', '.json', 'taken/x.json'];
const PLACES = ['', ' ', '\t', '\u00a0'];
const PAIRS = [
  '',
  '=',
  'x',
  'x=',
  '=1',
  '1=2',
  'x y=1',
  `${LONG}=1`,
  ...PROTOTYPE.map((name) => `${name}=1`),
  'gamma=x',
  'gamma=',
  'gamma=NaN',
  'gamma=1e39',
  'gamma=\u00a01',
];

/** Wrong values by the placeholder that an option's help shows, or by its name. */
function wrongFor(command: string, flag: string, placeholder: string): readonly string[] {
  if (['--out', '--resume', '--markdown', '--csv', '--picture'].includes(flag)) return PLACES;
  if (flag === '--system') return [...NAMES, ...FILES];
  if (flag === '--kernel-file') return [...PLACES, 'gone.mjs'];
  if (flag === '--authors') return [...PLACES, 'gone'];
  if (['--optimizer', '--weighting', '--precision'].includes(flag)) return [...NAMES, 'adam,sgd', 'none,', 'Adam'];
  if (flag === '--only')
    return command === 'sweep'
      ? PAIRS.filter((pair) => !/^gamma=.*1$/.test(pair))
      : NAMES.filter((name) => !['', ' ', '-'].includes(name));
  if (flag === '--shard') return ['', '1', '1/', '0/2', '3/2', '-1/2', 'a/b', '1/2/3', '1.5/2', LONG];
  if (flag === '--soap-betas') return ['', '0.9', '0.9,1', '0.9,0.9,0.9', 'a,b', '0.9;0.9', '-0.1,0.5'];
  if (flag === '--threshold') return [...NOT_NUMBERS, '-0.1', '1'];
  if (flag === '--momentum') return [...NOT_NUMBERS, '-0.1', '1'];
  if (flag === '--at-epochs') return ['', '5,5', '5,1', '1,,2', '-1', 'x'];
  switch (placeholder) {
    case 'n':
    case 'count':
      return NOT_WHOLE;
    case 'list':
      return NOT_WHOLE.filter((text) => text !== '1,000;');
    case 'x':
      return NOT_NUMBERS;
    case 's':
      return [...NOT_NUMBERS, '-5'];
    case 'name=value':
    case 'name=list':
    case 'name=version':
      return PAIRS;
    default:
      return [];
  }
}

/** Arguments that are right, to which something wrong is added. */
const RIGHT: Readonly<Record<string, readonly string[]>> = {
  train: ['thermoelasticity'],
  sweep: ['thermoelasticity'],
  report: ['no-sweep'],
  ntk: ['symmetric'],
  verify: ['symmetric'],
  explain: ['symmetric', 'tape'],
  check: [],
  bench: ['kernels'],
  tune: ['symmetric'],
  list: [],
  doctor: [],
};

/** Wrong command lines, none of which can be meant. */
export function malformed(commands: readonly Command[]): string[][] {
  const lines = commands.flatMap((command): string[][] => {
    const name = command.name();
    const start = [name, ...(RIGHT[name] ?? [])];
    const values = command.options.flatMap((option) => {
      const flag = option.long!;
      const placeholder = /<(.+)>/.exec(option.flags)?.[1];
      if (placeholder === undefined) return [[...start, `${flag}=x`]];
      return [[...start, flag], ...wrongFor(name, flag, placeholder).map((value) => [...start, flag, value])];
    });
    const unknown = ['--nonsense', '--gama', '-x', '--__proto__', '--constructor', '---'].map((flag) => [
      ...start,
      flag,
    ]);
    return [...values, ...unknown];
  });
  const systems = ['train', 'explain', 'ntk', 'tune', 'sweep', 'verify'].flatMap((name) =>
    [...NAMES, ...FILES].map((system) => [name, system, ...(name === 'explain' ? ['tape'] : [])]),
  );
  const others = [...NAMES.filter((name) => name.trim() !== ''), 'trian', 'Train'].map((name) => [name]);
  const subjects = NAMES.map((subject) => ['explain', 'symmetric', subject]);
  return [...lines, ...systems, ...others, ...subjects, ...CONTRADICTIONS];
}

const CONTRADICTIONS: readonly string[][] = [
  ['train', 'symmetric', '--seed', '1', '--seeds', '1,2'],
  ['train', 'symmetric', '--out', 'a', '--resume', 'b'],
  ['train', 'symmetric', '--resume', 'nothing'],
  ['train', 'symmetric', '--momentum', '0.5'],
  ['train', 'symmetric', '--optimizer', 'gauss-newton', '--lr', '1'],
  ['train', 'symmetric', '--optimizer', 'gauss-newton', '--weighting', 'lra'],
  ['train', 'symmetric', '--seeds', '1,1'],
  ['train', 'symmetric', '--gamma', '1'],
  ['train', 'thermoelasticity', '--epsilon', '1'],
  ['train', 'thermoelasticity', 'symmetric'],
  ['train', 'symmetric', '--out', 'taken'],
  ['train', 'symmetric', '--out', 'taken/deeper'],
  ['train', 'nernst-planck-poisson', '--set', 'zeta=40'],
  ['sweep', 'quick', '--set', 'gamma=1'],
  ['sweep', 'quick', '--out', 'taken'],
  ['sweep', 'quick', '--only', 'system=nothing'],
  ['sweep', 'quick', '--only', 'seed=42', '--only', 'seed=7'],
  ['report', 'taken'],
  ['report', '.', '--out', 'x.pdf'],
  ['ntk', 'symmetric', '--lr', '1'],
  ['ntk', 'symmetric', '--all', '--k', '1'],
  ['ntk', 'table', '--points', '3'],
  ['ntk', 'symmetric', '--points', '100000'],
  ['ntk', 'symmetric', '--out', 'taken'],
  ['bench', 'nothing'],
  ['bench', 'steps', '--sizes', '4'],
  ['bench', 'peers', '--system', 'symmetric'],
  ['bench', '--system', 'symmetric', '--only', 'symmetric'],
  ['bench', '--picture', 'x.png'],
  ['bench', '--out', 'nowhere/x.json'],
  ['bench', 'compare', 'gone.json', 'gone.json'],
  ['bench', 'compare'],
  ['tune', 'symmetric', '--runs', '1000000000000'],
  ['bench', 'kernels', '--sizes', '64,1000000'],
  ['tune', '--show', '--forget'],
  ['tune', 'symmetric', '--show'],
  ['verify'],
  ['train'],
];

/** JSON with something of another kind in the place of each thing. */
export function* misfits(
  json: unknown,
  leave: (path: readonly (string | number)[]) => boolean = () => false,
): Generator<string> {
  const kindOf = (value: unknown) => (Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value);
  const at = (path: readonly (string | number)[]) =>
    path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], json);
  for (const path of pathsIn(json))
    for (const other of [5.5, 'te xt', null, true, [], {}])
      if (!leave(path) && kindOf(at(path)) !== kindOf(other)) yield JSON.stringify(replaced(json, path, other));
}
