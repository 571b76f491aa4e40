export { type DenseJetParams, denseJet } from './dense-jet.ts';
