export { type DenseJetParams, denseJet } from './dense-jet.ts';
export { library } from './library.ts';
export { qr } from './qr.ts';
