export interface SourceFile {
  path: string;
  text: string;
}

export interface Entry {
  uris: string[];
  suites: string[];
  components: string[];
  signedBy: string | undefined;
}

export interface Step {
  argv: string[];
  input?: string;
  undo?: string[];
}

export interface Plan {
  steps: Step[];
  advice: string[];
  refusal?: string;
}

export interface Machine {
  platform: string;
  osRelease: Record<string, string>;
  sources: SourceFile[];
  privilege: 'root' | 'sudo' | 'none';
}

export const PACKAGES: string[];
export const SOURCE_FILE: string;
export function parseOsRelease(text: string): Record<string, string>;
export function parseSources(files: SourceFile[]): Entry[];
export function planInstall(machine: Machine): Plan;
export function shellText(step: Step): string;
