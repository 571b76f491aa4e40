/** What peers are compared on, by name. */

export type Work = 'gradient' | 'Adam step' | 'SOAP step';

export interface Job {
  readonly system: string;
  readonly work: Work;
  /** Runs stacked: seeds 42, 43, .. */
  readonly runs: number;
}

export const jobText = ({ system, work, runs }: Job): string =>
  `${system}, ${work}${runs > 1 ? ` of ${runs} runs` : ''}`;
