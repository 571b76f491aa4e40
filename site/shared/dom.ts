/** Elements of the page, made in one expression. */

type Child = Node | string | number | null | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | EventListener | undefined>>;

/** `on...` attributes are listeners; `true` sets an attribute without a value, `false` and undefined leave it out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter(present).map((child) => (typeof child === 'number' ? String(child) : child)));
  return element;
}

function present(child: Child): child is Node | string | number {
  return child !== null && child !== undefined && child !== false;
}

/** The element of an id that the page's own HTML has. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/** A table with a caption; columns of `right` hold numbers. */
export function tableOf(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly (string | Node)[])[],
  right: readonly number[] = [],
): HTMLElement {
  const cell = (tag: 'td' | 'th', content: string | Node, k: number) =>
    el(tag, { class: right.includes(k) ? 'number' : undefined, ...(tag === 'th' ? { scope: 'col' } : {}) }, content);
  return el(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    el(
      'table',
      {},
      el('caption', {}, caption),
      el('thead', {}, el('tr', {}, ...head.map((text, k) => cell('th', text, k)))),
      el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map((content, k) => cell('td', content, k))))),
    ),
  );
}

/** Hands a file to the visitor. */
export function download(name: string, content: BlobPart, type = 'application/octet-stream'): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = el('a', { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
