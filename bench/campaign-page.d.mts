export interface CampaignState {
  readonly small: boolean;
  readonly commit?: string;
  readonly steps: Readonly<Record<string, { status: string; calls: number; seconds: number; last?: string }>>;
}
/** What the campaign in a folder has found so far, as Markdown. */
export function campaignMarkdown(out: string, state: CampaignState): string;
