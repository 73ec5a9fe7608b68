/**
 * The application of the demo: a small inventory with receipts. Every writing action takes the operation's own id first and
 * leaves a receipt, so that blocks and tables alike show which operations ran and how often.
 */
export const NAMESPACE = 'demo';

export const schemaStatements: readonly string[] = [
  `CREATE NAMESPACE ${NAMESPACE};`,
  `{${NAMESPACE}}CREATE TABLE items (
     id int8 PRIMARY KEY, owner int8 NOT NULL, label text, amount numeric(20,8), flag bool, tag uuid, raw bytea,
     marks text[], counter int8 NOT NULL, body text, op text NOT NULL
   );`,
  `{${NAMESPACE}}CREATE TABLE children (
     id int8 PRIMARY KEY, parent int8 NOT NULL REFERENCES items(id) ON DELETE CASCADE, note text
   );`,
  `{${NAMESPACE}}CREATE TABLE receipts (op text PRIMARY KEY, writer int8 NOT NULL, action text NOT NULL);`,
  `{${NAMESPACE}}CREATE INDEX items_owner ON items (owner);`,
  `{${NAMESPACE}}CREATE ACTION put_item($op text, $id int8, $owner int8, $label text, $amount numeric(20,8), $flag bool,
     $tag uuid, $raw bytea, $marks text[], $body text) PUBLIC {
     INSERT INTO items (id, owner, label, amount, flag, tag, raw, marks, counter, body, op)
       VALUES ($id, $owner, $label, $amount, $flag, $tag, $raw, $marks, 0, $body, $op);
     INSERT INTO receipts (op, writer, action) VALUES ($op, $owner, 'put_item');
   };`,
  `{${NAMESPACE}}CREATE ACTION touch_item($op text, $id int8, $owner int8, $label text) PUBLIC {
     UPDATE items SET counter = counter + 1, label = $label, op = $op WHERE id = $id;
     INSERT INTO receipts (op, writer, action) VALUES ($op, $owner, 'touch_item');
   };`,
  `{${NAMESPACE}}CREATE ACTION same_item($op text, $id int8, $owner int8) PUBLIC {
     UPDATE items SET flag = flag WHERE id = $id;
     INSERT INTO receipts (op, writer, action) VALUES ($op, $owner, 'same_item');
   };`,
  `{${NAMESPACE}}CREATE ACTION drop_item($op text, $id int8, $owner int8) PUBLIC {
     DELETE FROM items WHERE id = $id;
     INSERT INTO receipts (op, writer, action) VALUES ($op, $owner, 'drop_item');
   };`,
  `{${NAMESPACE}}CREATE ACTION add_child($op text, $id int8, $owner int8, $child int8, $note text) PUBLIC {
     INSERT INTO children (id, parent, note) VALUES ($child, $id, $note);
     INSERT INTO receipts (op, writer, action) VALUES ($op, $owner, 'add_child');
   };`,
  `{${NAMESPACE}}CREATE ACTION fail_item($op text, $id int8, $owner int8) PUBLIC {
     INSERT INTO receipts (op, writer, action) VALUES ($op, $owner, 'fail_item');
     if $id > 0 {
       error('this item is not for sale');
     }
   };`,
  `{${NAMESPACE}}CREATE ACTION get_item($id int8) PUBLIC VIEW RETURNS TABLE(id int8, label text, counter int8, op text) {
     RETURN SELECT id, label, counter, op FROM items WHERE id = $id;
   };`,
];

/** Tables that the verdict compares, with the columns of their key order. */
export const tables: readonly { readonly name: string; readonly key: string }[] = [
  { name: 'items', key: 'id' },
  { name: 'children', key: 'id' },
  { name: 'receipts', key: 'op' },
];

/** Rows that exist before the migration, as one raw statement per batch. */
export function seedStatements(rows: number, batch = 100): string[] {
  const statements: string[] = [];
  for (let from = 1; from <= rows; from += batch) {
    const values: string[] = [];
    for (let id = from; id < Math.min(from + batch, rows + 1); id += 1) {
      values.push(
        `(${id}, 0, 'seed ${id}', ${id}.00000000::numeric(20,8), ${id % 2 === 0}, 0, ${seedBody(id)}, 'seed-${id}')`,
      );
    }
    statements.push(
      `{${NAMESPACE}}INSERT INTO items (id, owner, label, amount, flag, counter, body, op) VALUES ${values.join(', ')};`,
    );
  }
  return statements;
}

/** Every tenth seed row has a body large enough to be stored out of line: a later update leaves it untouched. */
const seedBody = (id: number): string => (id % 10 === 0 ? `'${largeText(id, 9000)}'` : 'null');

/** Text that does not compress well, so that it is really stored out of line. */
export function largeText(seed: number, length: number): string {
  let state = (seed * 2654435761 + 12345) >>> 0;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += state.toString(36);
  }
  return text.slice(0, length);
}
