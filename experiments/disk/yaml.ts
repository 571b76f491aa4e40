/** Settings as YAML, such that readers of YAML 1.1 and 1.2 agree. */

/** An object of numbers, texts, booleans, lists and objects, in block style. */
export function yamlOf(value: object, indent = ''): string {
  return Object.entries(value)
    .filter(([, own]) => own !== undefined)
    .map(([key, own]) => `${indent}${JSON.stringify(key)}:${nodeOf(own, indent)}`)
    .join('');
}

function nodeOf(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return ` ${scalarOf(value)}\n`;
  if (Array.isArray(value))
    return value.length === 0 ? ' []\n' : `\n${value.map((own) => `${indent}-${nodeOf(own, `${indent}  `)}`).join('')}`;
  return Object.keys(value).length === 0 ? ' {}\n' : `\n${yamlOf(value, `${indent}  `)}`;
}

/** JSON, but for numbers such as 1e-8: YAML 1.1 takes them for texts without a point. */
function scalarOf(value: unknown): string {
  const text = JSON.stringify(value);
  return typeof value === 'number' ? text.replace(/^(-?\d+)e/, '$1.0e') : text;
}
