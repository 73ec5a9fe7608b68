import type { CatalogTable } from './catalog.js';

/**
 * Recording of row changes by triggers, in the order in which the server makes them:
 * updates and deletes fire BEFORE, because a statement's rows come first and what they cascade to afterwards;
 * inserts fire AFTER, because one that ON CONFLICT swallows must not show.
 */

/** Arrays whose empty form ends a real node at commit, migration or not: their changes are looked at in every block. */
const RISKY = new Set(['int8', 'int4', 'bool', 'uuid', 'numeric']);

export const isRiskyArray = (type: { name: string; isArray: boolean }): boolean => type.isArray && RISKY.has(type.name);

const isLarge = (type: { name: string; isArray: boolean }): boolean =>
  type.isArray || type.name === 'text' || type.name === 'bytea' || type.name === 'numeric';

const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Changes whenever the triggers of the table have to be made anew. */
export const captureSignature = (table: CatalogTable): string =>
  table.columns
    .map(column => `${column.name} ${column.streamType.name}${column.streamType.isArray ? '[]' : ''}`)
    .join(',');

/** Statements that make the triggers of one table. */
export function captureSql(namespace: string, table: CatalogTable): string {
  const target = `${quotedName(namespace)}.${quotedName(table.name)}`;
  const watcher = `kwild_capture.watch_${table.oid}`;
  // A large value that an update leaves alone keeps its place in the TOAST table, and is not sent by a real node. Has to be
  // asked before the row is taken as a whole, which brings all its values in.
  const kept = table.columns.map(({ name, streamType }) => {
    if (!isLarge(streamType)) return 'false';
    const chunk = (side: string): string => `pg_column_toast_chunk_id(${side}.${quotedName(name)})`;
    return `coalesce(${chunk('OLD')} = ${chunk('NEW')}, false)`;
  });
  const hasLarge = table.columns.some(column => isLarge(column.streamType));
  const always = table.columns.some(column => isRiskyArray(column.streamType));
  const when = always ? '' : `WHEN (current_setting('kwil.record', true) = 'on')`;
  return `
CREATE OR REPLACE FUNCTION ${watcher}() RETURNS trigger LANGUAGE plpgsql AS $watch$
DECLARE
  left_alone bool[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO kwild_capture.change (relation, kind, new) VALUES (${table.oid}, 'I', NEW::text);
    RETURN NULL;
  ELSIF TG_OP = 'UPDATE' THEN
    ${hasLarge ? `left_alone := ARRAY[${kept.join(', ')}];` : ''}
    INSERT INTO kwild_capture.change (relation, kind, old, new, kept)
      VALUES (${table.oid}, 'U', OLD::text, NEW::text, left_alone);
    RETURN NEW;
  END IF;
  INSERT INTO kwild_capture.change (relation, kind, old) VALUES (${table.oid}, 'D', OLD::text);
  RETURN OLD;
END $watch$;
CREATE OR REPLACE TRIGGER "0capture_insert" AFTER INSERT ON ${target} FOR EACH ROW ${when} EXECUTE FUNCTION ${watcher}();
CREATE OR REPLACE TRIGGER "0capture_change" BEFORE UPDATE OR DELETE ON ${target} FOR EACH ROW ${when} EXECUTE FUNCTION ${watcher}();
`;
}
