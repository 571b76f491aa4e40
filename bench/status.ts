/** What is going on, on one line of a terminal; nothing where stderr is none. */
export function statusLine(doing: string): { show: (text: string) => void; clear: () => void } {
  const { stderr } = process;
  const write = (text: string) => {
    if (stderr.isTTY) stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`);
  };
  return { show: (text) => write(`${doing} ${text}`), clear: () => write('') };
}
