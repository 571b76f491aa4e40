/** For `node --import`: the clock is set back by an hour once the process has run for CLOCK_BACK milliseconds. */
const Clock = Date;
const back = () => (performance.now() > Number(process.env.CLOCK_BACK) ? 3_600_000 : 0);

globalThis.Date = class extends Clock {
  constructor(...args) {
    super(...(args.length > 0 ? args : [Clock.now() - back()]));
  }
  static now() {
    return Clock.now() - back();
  }
};
