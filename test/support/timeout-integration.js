import { jest } from '@jest/globals';

// Far above what any of them takes alone: next to other programs the longest take a minute.
jest.setTimeout(180_000);
