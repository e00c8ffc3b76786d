import { jest } from '@jest/globals';

// Far above what any of them takes alone: beside other programs the longest take a minute.
jest.setTimeout(180_000);
