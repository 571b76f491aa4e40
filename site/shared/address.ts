/** The state of a page in its address, so that a link restores it. */
import { byId } from './dom.ts';

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

/**
 * Calls `apply` when the visitor follows a link to another state of this page. The link that skips to the content moves
 * the focus and leaves the address alone, which holds the state.
 */
export function onState(apply: () => void): void {
  addEventListener('hashchange', apply);
  const content = byId('main', HTMLElement);
  content.tabIndex = -1;
  document.querySelector('.skip')?.addEventListener('click', (event) => {
    event.preventDefault();
    content.focus();
  });
}
