/** The state of a page in its address, so that a link restores it. */

/** Reads the part after `#`. */
export function readState(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}

/** Replaces the part after `#`; values that are undefined are left out. */
export function writeState(state: Readonly<Record<string, string | number | undefined>>): void {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value !== undefined) parameters.set(name, String(value));
  history.replaceState(null, '', `#${parameters}`);
}

/** Calls `apply` when the visitor follows a link to another state of this page. */
export function onState(apply: () => void): void {
  addEventListener('hashchange', apply);
}
