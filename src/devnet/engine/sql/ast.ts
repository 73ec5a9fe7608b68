import type { DataType } from '../../../protocol/index.js';

/** Expressions: one tree for SQL and for action code, which differ only in what the parser lets through. */
export type Expression =
  | { kind: 'literal'; type: DataType; text: string | null; cast: DataType | null }
  | { kind: 'variable'; name: string; cast: DataType | null }
  | { kind: 'column'; table: string | null; column: string; cast: DataType | null }
  | CallExpression
  | { kind: 'window'; call: CallExpression; filter: Expression | null; over: Window | string }
  | { kind: 'index'; array: Expression; index: Expression; cast: DataType | null }
  | { kind: 'slice'; array: Expression; from: Expression | null; to: Expression | null; cast: DataType | null }
  | { kind: 'array'; items: Expression[]; cast: DataType | null }
  | { kind: 'field'; record: Expression; field: string; cast: DataType | null }
  | { kind: 'paren'; inner: Expression; cast: DataType | null }
  | { kind: 'arithmetic'; op: '+' | '-' | '*' | '/' | '%' | '^' | '||'; left: Expression; right: Expression }
  | { kind: 'compare'; op: '=' | '!=' | '<' | '<=' | '>' | '>='; left: Expression; right: Expression }
  | { kind: 'logical'; op: 'AND' | 'OR'; left: Expression; right: Expression }
  | { kind: 'unary'; op: '+' | '-' | 'NOT'; inner: Expression }
  | { kind: 'collate'; inner: Expression; collation: string }
  | { kind: 'like'; op: 'LIKE' | 'ILIKE'; not: boolean; left: Expression; right: Expression }
  | { kind: 'is'; not: boolean; distinct: boolean; left: Expression; right: Expression }
  | { kind: 'in'; not: boolean; left: Expression; list: Expression[] | null; select: Select | null }
  | { kind: 'between'; not: boolean; value: Expression; lower: Expression; upper: Expression }
  | {
      kind: 'case';
      value: Expression | null;
      branches: { when: Expression; then: Expression }[];
      otherwise: Expression | null;
    }
  | { kind: 'subquery'; select: Select; exists: boolean; not: boolean; cast: DataType | null };

export interface CallExpression {
  kind: 'call';
  namespace: string | null;
  name: string;
  args: Expression[];
  star: boolean;
  distinct: boolean;
  cast: DataType | null;
}

export interface Window {
  partition: Expression[];
  order: OrderTerm[];
}

export interface OrderTerm {
  expression: Expression;
  direction: string;
  nulls: string;
}

export type Relation =
  | { kind: 'table'; namespace: string | null; table: string; alias: string | null }
  | { kind: 'derived'; select: Select; alias: string | null };

export interface Join {
  type: string;
  relation: Relation;
  on: Expression;
}

export type ResultColumn =
  { kind: 'expression'; expression: Expression; alias: string | null } | { kind: 'star'; table: string | null };

export interface SelectCore {
  distinct: boolean;
  columns: ResultColumn[];
  from: Relation | null;
  joins: Join[];
  where: Expression | null;
  groupBy: Expression[];
  having: Expression | null;
  windows: { name: string; window: Window }[];
}

export interface Select {
  cores: SelectCore[];
  operators: string[];
  order: OrderTerm[];
  limit: Expression | null;
  offset: Expression | null;
}

export interface SetClause {
  column: string;
  value: Expression;
}

export interface Upsert {
  columns: string[];
  conflictWhere: Expression | null;
  /** Empty = DO NOTHING. */
  update: SetClause[];
  where: Expression | null;
}

export type Dml =
  | { kind: 'select'; select: Select }
  | {
      kind: 'insert';
      table: string;
      alias: string | null;
      columns: string[];
      values: Expression[][];
      select: Select | null;
      upsert: Upsert | null;
    }
  | {
      kind: 'update';
      table: string;
      alias: string | null;
      set: SetClause[];
      from: Relation | null;
      joins: Join[];
      where: Expression | null;
    }
  | { kind: 'delete'; table: string; alias: string | null; where: Expression | null };

export interface Cte {
  name: string;
  columns: string[];
  select: Select;
}

export interface SqlStatement {
  kind: 'sql';
  /** Text without the namespace prefix; keys the plan cache. */
  raw: string;
  ctes: Cte[];
  recursive: boolean;
  core: Dml;
}

export interface ForeignKey {
  namespace: string | null;
  table: string;
  columns: string[];
  actions: { on: string; act: string }[];
}

export type ColumnConstraint =
  | { kind: 'primary' }
  | { kind: 'unique' }
  | { kind: 'not-null' }
  | { kind: 'default'; value: Expression }
  | { kind: 'check'; value: Expression }
  | { kind: 'references'; key: ForeignKey };

export interface ColumnDefinition {
  name: string;
  type: DataType;
  constraints: ColumnConstraint[];
}

export interface TableConstraint {
  name: string | null;
  rule:
    | { kind: 'primary'; columns: string[] }
    | { kind: 'unique'; columns: string[] }
    | { kind: 'check'; value: Expression }
    | { kind: 'foreign'; columns: string[]; key: ForeignKey };
}

export type AlterAction =
  | { kind: 'set-not-null'; column: string }
  | { kind: 'set-default'; column: string; value: Expression }
  | { kind: 'drop-not-null'; column: string }
  | { kind: 'drop-default'; column: string }
  | { kind: 'add-column'; column: string; type: DataType; ifNotExists: boolean }
  | { kind: 'drop-column'; column: string; ifExists: boolean }
  | { kind: 'rename-column'; column: string; to: string }
  | { kind: 'rename-table'; to: string }
  | { kind: 'add-constraint'; constraint: TableConstraint }
  | { kind: 'drop-constraint'; name: string };

export interface NamedType {
  name: string;
  type: DataType;
}

export interface ActionReturn {
  table: boolean;
  fields: NamedType[];
}

export interface CreateAction {
  kind: 'create-action';
  name: string;
  ifNotExists: boolean;
  replace: boolean;
  parameters: (NamedType & { initial: Expression | null })[];
  modifiers: string[];
  returns: ActionReturn | null;
  body: ActionStatement[];
  /** Complete text with prefix and semicolon, as `info.actions` shows it. */
  raw: string;
}

export type RoleTarget = { role: string } | { user: string } | { expression: Expression };

export type Statement = { namespace: string | null } & (
  | SqlStatement
  | CreateAction
  | {
      kind: 'create-table';
      name: string;
      ifNotExists: boolean;
      columns: ColumnDefinition[];
      constraints: TableConstraint[];
    }
  | { kind: 'alter-table'; table: string; actions: AlterAction[] }
  | { kind: 'drop-table'; tables: string[]; ifExists: boolean; behavior: string }
  | {
      kind: 'create-index';
      name: string | null;
      unique: boolean;
      ifNotExists: boolean;
      table: string;
      columns: string[];
    }
  | { kind: 'drop-index'; name: string; ifExists: boolean }
  | { kind: 'drop-action'; name: string; ifExists: boolean }
  | { kind: 'create-namespace'; name: string; ifNotExists: boolean }
  | { kind: 'drop-namespace'; name: string; ifExists: boolean }
  | { kind: 'set-namespace'; name: string }
  | { kind: 'create-role'; role: string; ifNotExists: boolean }
  | { kind: 'drop-role'; role: string; ifExists: boolean }
  | {
      kind: 'grant';
      grant: boolean;
      conditional: boolean;
      privileges: string[];
      role: string | null;
      on: string | null;
      target: RoleTarget;
    }
  | { kind: 'transfer-ownership'; target: RoleTarget }
  | { kind: 'use'; extension: string; alias: string; ifNotExists: boolean }
  | { kind: 'unuse'; alias: string; ifExists: boolean }
);

export type ActionStatement =
  | { kind: 'declare'; variable: string; type: DataType }
  | { kind: 'assign'; target: Expression; type: DataType | null; value: Expression }
  | { kind: 'call'; receivers: (string | null)[]; call: CallExpression }
  | { kind: 'for'; variable: string; over: LoopSource; body: ActionStatement[] }
  | { kind: 'if'; branches: { when: Expression; body: ActionStatement[] }[]; otherwise: ActionStatement[] | null }
  | { kind: 'run'; sql: SqlStatement }
  | { kind: 'break' }
  | { kind: 'continue' }
  | { kind: 'return'; values: Expression[]; sql: SqlStatement | null }
  | { kind: 'return-next'; values: Expression[] };

export type LoopSource =
  | { kind: 'range'; from: Expression; to: Expression }
  | { kind: 'sql'; sql: SqlStatement }
  | { kind: 'array'; value: Expression }
  | { kind: 'function'; call: CallExpression };
