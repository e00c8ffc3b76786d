/** JavaScript of TypeScript, for the Node that runs. */
export function javaScriptOf(source: string, filename: string): string;
