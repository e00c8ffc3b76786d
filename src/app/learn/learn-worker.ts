import { parentPort, workerData } from 'node:worker_threads';
import { registerCodecLibraries } from '../../lib/load-library.ts';
import { Gathering, type GatheringSnapshot } from '../../learn/gathering.ts';
import { type ProposalOptions, proposeConfig } from './propose-config.ts';

/** Input of the thread; it answers with what `proposeConfig` returns, or with the error. */
export interface LearnWork {
  readonly gathered: GatheringSnapshot;
  readonly options: ProposalOptions;
}

const { gathered, options } = workerData as LearnWork;
registerCodecLibraries();
parentPort?.postMessage(proposeConfig(Gathering.of(gathered), options));
