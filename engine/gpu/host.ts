/** What differs between Node and a browser when a device is opened and waited for. `#host` is the one that fits. */
export interface Host {
  /**
   * The WebGPU implementation, with an adapter that has this in its name where that can be chosen. Throws where there is
   * none; the message says why.
   */
  openGpu(adapter?: string): Promise<GPU>;
  /** Names of all adapters, where they can be told. */
  adapterNames?(): Promise<string[]>;
  /** Opens what comes next apart from what is open, which makes no progress; absent where that is one for all. */
  abandon?(): void;
  /** Whether shaders were told not to check that they stay within their buffers; they do where this is absent. */
  unchecked?(): boolean;
  /** A setting of the process, from its environment. */
  setting?(name: string): string | undefined;
  /** Why there may be no adapter. */
  readonly noAdapter: string;
  /** What the user can do where there is no implementation or no adapter. */
  readonly remedy: string;
  /** Sleeps through the next turns of the event loop for as long as `waiting` says so; absent where nothing polls. */
  nap?(waiting: () => boolean): void;
}
