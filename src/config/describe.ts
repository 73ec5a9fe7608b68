import type { z } from 'zod';

/*
 * The descriptions are the documentation: `config schema`, `config check` and editors show them. `x-reload` says that a
 * change takes effect without a restart (SIGHUP or POST /v1/config/reload).
 */
export const live = <S extends z.ZodType>(schema: S, description: string): S =>
  schema.meta({ description, 'x-reload': true });
export const fixed = <S extends z.ZodType>(schema: S, description: string): S => schema.meta({ description });
