/** Pieces of a self-contained HTML page: tables and figures that read on screen and in print. */

const STYLE = `
:root { color-scheme: light; --ink: #222; --grey: #666; --line: #d4d4d4; --far: #a33c00; --better: #005a8c; }
body { font: 15px/1.5 Helvetica, Arial, "DejaVu Sans", sans-serif; color: var(--ink); background: #fff; max-width: 1040px; margin: 2em auto; padding: 0 1.2em; }
h1 { font-size: 1.6em; } h2 { margin-top: 2.2em; border-bottom: 2px solid var(--ink); padding-bottom: .2em; }
h3 { margin: 1.6em 0 .4em; font-size: 1.05em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15em 1.2em; } dt { color: var(--grey); } dd { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .35em .6em; text-align: left; vertical-align: top; white-space: nowrap; }
thead th { background: #f3f3f3; } caption { caption-side: top; text-align: left; white-space: normal; padding: .3em 0; }
.published, .small, .none { color: var(--grey); } .none { font-style: italic; }
.far { font-weight: bold; color: var(--far); } .better { font-weight: bold; color: var(--better); }
.warning { border: 2px solid var(--far); padding: .5em .9em; margin: 1em 0; font-weight: bold; }
pre { font-size: 13px; white-space: pre-wrap; }
figure { margin: 1.2em 0; } figure svg { max-width: 100%; height: auto; }
code { font-size: .95em; background: #f3f3f3; padding: .05em .3em; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; } table { font-size: 8pt; } .scroll { overflow: visible; }
  figure, tr, .warning { break-inside: avoid; } h2, h3 { break-after: avoid; }
  th, td { padding: .2em .35em; }
}`;

/** A whole page; `body` is HTML. */
export function page(title: string, body: readonly string[]): string {
  return [
    '<!DOCTYPE html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<style>${STYLE}</style></head><body>`,
    ...body,
    '</body></html>\n',
  ].join('\n');
}

export const figure = (svg: string, about: string) =>
  `<figure role="img" aria-label="${escaped(about)}">${inline(svg)}</figure>`;

/** SVG without what only a file of its own needs, able to shrink with the page. */
function inline(svg: string): string {
  const bare = svg.replace(/^<\?xml[^>]*\?>\s*/, '').replace(/^<!DOCTYPE[^>]*>\s*/, '');
  if (/^<svg[^>]*viewBox=/.test(bare)) return bare;
  return bare.replace(/^<svg([^>]*) width="(\d+)" height="(\d+)"/, '<svg$1 width="$2" height="$3" viewBox="0 0 $2 $3"');
}

/** Heads and captions are text, cells HTML. */
export function grid(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const top = head.map((text) => `<th scope="col">${escaped(text)}</th>`).join('');
  const body = rows.map(([name, ...cells]) => {
    const rest = cells.map((cell) => `<td>${cell}</td>`).join('');
    return `<tr><th scope="row">${escaped(name!)}</th>${rest}</tr>`;
  });
  return `<div class="scroll"><table><caption>${escaped(caption)}</caption><thead><tr>${top}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

export const prose = (text: string) => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
