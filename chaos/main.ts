import { main } from './cli.ts';

process.exitCode = await main(process.argv.slice(2), (text) => void process.stdout.write(text));
