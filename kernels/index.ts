export { type DenseJetParams, denseJet } from './dense-jet.ts';
export { library } from './library.ts';
