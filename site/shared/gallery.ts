/** The systems that the page offers: those of the paper, then those of the gallery, which become known by their names. */
/// <reference path="../examples.d.ts" />
import beam from '../../examples/beam.mjs';
import burgers from '../../examples/burgers.mjs';
import hartmann from '../../examples/hartmann.mjs';
import heat from '../../examples/heat.mjs';
import helmholtz from '../../examples/helmholtz.mjs';
import kdv from '../../examples/kdv.mjs';
import wave from '../../examples/wave.mjs';
import { addSystem, defineSystem, systems } from '../../systems/index.ts';

export const gallery = [hartmann, heat, wave, burgers, helmholtz, beam, kdv].map((spec) => defineSystem(spec));
for (const system of gallery) addSystem(system);

export const paper = systems;
