import { jest } from '@jest/globals';

// Far above what any of them takes: on a busy machine a limit of seconds measures the machine.
jest.setTimeout(60_000);
