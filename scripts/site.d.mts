/** Writes the page into a folder, which is emptied first. */
export function buildSite(folder: string): Promise<void>;
/** Serves a folder of files on localhost. Port 0 takes any that is free. */
export function serve(folder: string, port: number): Promise<{ port: number; close: () => void }>;
