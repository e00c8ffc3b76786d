import type * as Protobuf from 'protobufjs';
import type * as Re2 from 're2js';

/** Libraries that one format needs and most configurations do not. */
export interface CodecLibraries {
  readonly protobufjs: typeof Protobuf;
  readonly re2js: typeof Re2;
}

type Load = <Name extends keyof CodecLibraries>(name: Name) => CodecLibraries[Name];

let load: Load = (name) => {
  throw new Error(`nothing loads ${name}: loadCodecLibrariesWith was not called`);
};

/** Core loads nothing by itself: the program registers once how a library is loaded, before it compiles routes. */
export function loadCodecLibrariesWith(loader: Load): void {
  load = loader;
}

const loaded: { -readonly [Name in keyof CodecLibraries]?: CodecLibraries[Name] } = {};

/** The library, loaded by the first route whose format needs it. */
export const protobufLibrary = (): typeof Protobuf => (loaded.protobufjs ??= load('protobufjs'));
export const re2Library = (): typeof Re2 => (loaded.re2js ??= load('re2js'));
