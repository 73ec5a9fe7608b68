import { LRUCache } from 'lru-cache';
import { isSame } from '../sql/data-type.js';
import { generateSql } from '../sql/generate.js';
import { parse } from '../sql/parser.js';
import { planStatement, type PlanScope, type ResultField, type VariableType } from '../sql/plan.js';
import type { SqlStatement } from '../sql/ast.js';

/** A statement in Postgres' words, with what its parameters and result columns are. */
export interface Translated {
  readonly sql: string;
  readonly fields: readonly ResultField[];
  readonly params: readonly string[];
  /** Types that the parameters had when the statement was translated. */
  readonly types: readonly VariableType[];
}

const TRANSLATED_MAX = 1_000;

/**
 * Statements that were translated before. The real node keys them by namespace and text alone, so that the first use of
 * a text fixes its parameter types for everybody (reference 2.5); with a node's name given this cache does the same.
 */
export class StatementCache {
  private readonly entries = new LRUCache<string, Translated[]>({ max: TRANSLATED_MAX });

  clear(): void {
    this.entries.clear();
  }

  /**
   * @param node whose plan cache is asked; null = translate by the types at hand
   * @param ordered whether SELECTs must give the same order everywhere
   */
  translate(statement: SqlStatement, scope: PlanScope, node: string | null, ordered: boolean): Translated {
    const key = `${node ?? ''}\0${ordered ? 'w' : 'r'}\0${scope.namespace}\0${statement.raw}`;
    const known = this.entries.get(key) ?? [];
    const match = node === null ? known.find(candidate => hasSameTypes(candidate, scope)) : known[0];
    if (match !== undefined) return match;
    const plan = wrap('query planner error', () => planStatement(statement, scope));
    const { sql, params } = wrap('postgres SQL generation error', () => generateSql(statement, plan, scope, ordered));
    const translated = { sql, fields: plan.fields, params, types: params.map(name => typeOfParam(name, scope)) };
    this.entries.set(key, [...known.slice(-7), translated]);
    return translated;
  }
}

function wrap<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${prefix}: ${(error as Error).message}`, { cause: error });
  }
}

function typeOfParam(name: string, scope: PlanScope): VariableType {
  const [variable, field] = name.split('.') as [string, string | undefined];
  const type = scope.variable(variable);
  return field !== undefined && type instanceof Map ? (type as ReadonlyMap<string, VariableType>).get(field)! : type;
}

function hasSameTypes(translated: Translated, scope: PlanScope): boolean {
  return translated.params.every((name, index) => {
    const before = translated.types[index]!;
    const now = typeOfParam(name, scope);
    return (
      now !== undefined && !(now instanceof Map) && !(before instanceof Map) && isSame(now as never, before as never)
    );
  });
}

/** Statements of a text with the node's wording around a refusal. */
export function parseTopLevel(text: string): ReturnType<typeof parse> {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`parse error: error in top-level statement ${text}: ${(error as Error).message}`, { cause: error });
  }
}
