import { z } from 'zod';

// Stands in for sections that are being written.
export const routesSchema = z.array(z.looseObject({})).default([]).describe('routes');
export const limitsSchema = z.looseObject({}).prefault({});
export const timeWindowSchema = z.looseObject({}).prefault({});
export const alertsSchema = z.looseObject({}).prefault({});
