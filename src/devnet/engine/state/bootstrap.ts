/** Statements that make an empty cluster into an empty Kwil state. Run once, into the cached template. */

const ENGINE_TABLES = `
CREATE SCHEMA kwild_engine;
CREATE SCHEMA kwild_accts;
CREATE SCHEMA kwild_capture;
CREATE SCHEMA info;
CREATE SCHEMA main;

CREATE TABLE kwild_engine.namespaces (id int8 PRIMARY KEY, name text NOT NULL UNIQUE, type text NOT NULL);
CREATE TABLE kwild_engine.actions (
  id int8 PRIMARY KEY, namespace text NOT NULL REFERENCES kwild_engine.namespaces (name) ON UPDATE CASCADE ON DELETE CASCADE,
  name text NOT NULL, raw_statement text NOT NULL, returns_table bool NOT NULL, modifiers text[] NOT NULL,
  built_in bool NOT NULL DEFAULT false, UNIQUE (namespace, name));
CREATE TABLE kwild_engine.parameters (
  action_id int8 NOT NULL REFERENCES kwild_engine.actions (id) ON DELETE CASCADE,
  "position" int8 NOT NULL, name text NOT NULL, type text NOT NULL, PRIMARY KEY (action_id, "position"));
CREATE TABLE kwild_engine.return_fields (
  action_id int8 NOT NULL REFERENCES kwild_engine.actions (id) ON DELETE CASCADE,
  "position" int8 NOT NULL, name text NOT NULL, type text NOT NULL, PRIMARY KEY (action_id, "position"));
CREATE TABLE kwild_engine.roles (name text PRIMARY KEY, built_in bool NOT NULL DEFAULT false);
CREATE TABLE kwild_engine.role_privileges (
  role_name text NOT NULL REFERENCES kwild_engine.roles (name) ON DELETE CASCADE, privilege text NOT NULL,
  namespace text REFERENCES kwild_engine.namespaces (name) ON UPDATE CASCADE ON DELETE CASCADE,
  granted bool NOT NULL DEFAULT true, UNIQUE NULLS NOT DISTINCT (role_name, privilege, namespace));
CREATE TABLE kwild_engine.user_roles (
  role_name text NOT NULL REFERENCES kwild_engine.roles (name) ON DELETE CASCADE, user_identifier text NOT NULL,
  PRIMARY KEY (role_name, user_identifier));

CREATE TABLE kwild_accts.accounts (
  identifier bytea NOT NULL, id_type int4 NOT NULL, balance text NOT NULL, nonce int8 NOT NULL, PRIMARY KEY (identifier, id_type));

CREATE UNLOGGED TABLE kwild_capture.change (
  seq int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, relation oid NOT NULL, kind "char" NOT NULL, old text, new text, kept bool[]);
`;

const FUNCTIONS = `
CREATE FUNCTION kwild_engine.error(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE EXCEPTION '%', $1; END $$;

CREATE FUNCTION kwild_engine.digest(bytea, text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  CASE lower($2)
    WHEN 'md5' THEN RETURN decode(md5($1), 'hex');
    WHEN 'sha224' THEN RETURN sha224($1);
    WHEN 'sha256' THEN RETURN sha256($1);
    WHEN 'sha384' THEN RETURN sha384($1);
    WHEN 'sha512' THEN RETURN sha512($1);
    WHEN 'sha1' THEN RETURN kwild_engine.sha1($1);
    ELSE RAISE EXCEPTION 'Cannot use "%": No such hash algorithm', $2 USING ERRCODE = '22023';
  END CASE;
END $$;
CREATE FUNCTION kwild_engine.digest(text, text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT kwild_engine.digest(convert_to($1, 'UTF8'), $2) $$;

-- FIPS 180-4; the embedded server has no cryptographic extension
CREATE FUNCTION kwild_engine.sha1(message bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  mask CONSTANT int8 := 4294967295;
  padded bytea := message || '\\x80'::bytea;
  h0 int8 := 1732584193; h1 int8 := 4023233417; h2 int8 := 2562383102; h3 int8 := 271733878; h4 int8 := 3285377520;
  a int8; b int8; c int8; d int8; e int8; f int8; k int8; t int8; w int8[]; x int8;
BEGIN
  WHILE length(padded) % 64 <> 56 LOOP padded := padded || '\\x00'::bytea; END LOOP;
  padded := padded || int8send(length(message)::int8 * 8);
  FOR block IN 0 .. length(padded) / 64 - 1 LOOP
    w := ARRAY[]::int8[];
    FOR i IN 0 .. 79 LOOP
      IF i < 16 THEN
        x := (get_byte(padded, block * 64 + i * 4)::int8 << 24) | (get_byte(padded, block * 64 + i * 4 + 1)::int8 << 16)
          | (get_byte(padded, block * 64 + i * 4 + 2)::int8 << 8) | get_byte(padded, block * 64 + i * 4 + 3)::int8;
      ELSE
        x := w[i - 2] # w[i - 7] # w[i - 13] # w[i - 15];
        x := ((x << 1) | (x >> 31)) & mask;
      END IF;
      w := w || x;
    END LOOP;
    a := h0; b := h1; c := h2; d := h3; e := h4;
    FOR i IN 0 .. 79 LOOP
      IF i < 20 THEN f := (b & c) | ((b # mask) & d); k := 1518500249;
      ELSIF i < 40 THEN f := b # c # d; k := 1859775393;
      ELSIF i < 60 THEN f := (b & c) | (b & d) | (c & d); k := 2400959708;
      ELSE f := b # c # d; k := 3395469782;
      END IF;
      t := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i + 1]) & mask;
      e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := t;
    END LOOP;
    h0 := (h0 + a) & mask; h1 := (h1 + b) & mask; h2 := (h2 + c) & mask; h3 := (h3 + d) & mask; h4 := (h4 + e) & mask;
  END LOOP;
  RETURN substring(int8send(h0) from 5) || substring(int8send(h1) from 5) || substring(int8send(h2) from 5)
    || substring(int8send(h3) from 5) || substring(int8send(h4) from 5);
END $$;

CREATE FUNCTION kwild_engine.uuid_generate_v5(namespace uuid, name text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  hash bytea := kwild_engine.sha1(uuid_send(namespace) || convert_to(name, 'UTF8'));
BEGIN
  hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 80);
  hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
  RETURN encode(substring(hash from 1 for 16), 'hex')::uuid;
END $$;

CREATE FUNCTION kwild_engine.parse_unix_timestamp(text, text) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT extract(epoch FROM to_timestamp($1, $2) AT TIME ZONE 'UTC')::numeric(16,6) $$;
CREATE FUNCTION kwild_engine.format_unix_timestamp(numeric, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT to_char(to_timestamp($1) AT TIME ZONE 'UTC', $2) $$;

CREATE FUNCTION kwild_engine.column_type(type oid, modifier int4) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT CASE t WHEN 'bigint' THEN 'int8' ELSE t END FROM pg_catalog.format_type(type, modifier) AS f (t) $$;
`;

const INFO_VIEWS = `
CREATE VIEW info.namespaces AS SELECT name, type FROM kwild_engine.namespaces ORDER BY name;

CREATE VIEW info.tables AS
SELECT c.relname::text AS name, n.nspname::text AS namespace
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN kwild_engine.namespaces k ON k.name = n.nspname
WHERE c.relkind IN ('r', 'v') ORDER BY 1, 2;

CREATE VIEW info.columns AS
SELECT n.nspname::text AS namespace, c.relname::text AS table_name, a.attname::text AS name,
  kwild_engine.column_type(a.atttypid, a.atttypmod) AS data_type, NOT a.attnotnull AS is_nullable,
  pg_get_expr(d.adbin, d.adrelid) AS default_value,
  EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS is_primary_key,
  a.attnum::int4 AS ordinal_position
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN kwild_engine.namespaces k ON k.name = n.nspname
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY table_name, ordinal_position, namespace;

CREATE VIEW info.indexes AS
SELECT n.nspname::text AS namespace, c.relname::text AS table_name, x.relname::text AS name, i.indisprimary AS is_primary_key,
  i.indisunique AS is_unique,
  ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY u (num, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num ORDER BY u.place) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN kwild_engine.namespaces k ON k.name = n.nspname
ORDER BY table_name, name, namespace;

CREATE VIEW info.constraints AS
SELECT n.nspname::text AS namespace, c.relname::text AS table_name, s.conname::text AS name,
  CASE s.contype WHEN 'c' THEN 'CHECK' ELSE 'UNIQUE' END AS constraint_type,
  ARRAY(SELECT a.attname::text FROM unnest(s.conkey) WITH ORDINALITY u (num, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num ORDER BY u.place) AS columns,
  pg_get_constraintdef(s.oid) AS expression
FROM pg_constraint s JOIN pg_class c ON c.oid = s.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN kwild_engine.namespaces k ON k.name = n.nspname WHERE s.contype IN ('c', 'u') ORDER BY namespace, table_name, name;

CREATE VIEW info.foreign_keys AS
SELECT n.nspname::text AS namespace, c.relname::text AS table_name, s.conname::text AS name,
  ARRAY(SELECT a.attname::text FROM unnest(s.conkey) WITH ORDINALITY u (num, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num ORDER BY u.place) AS columns,
  r.relname::text AS ref_table,
  ARRAY(SELECT a.attname::text FROM unnest(s.confkey) WITH ORDINALITY u (num, place)
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = u.num ORDER BY u.place) AS ref_columns,
  CASE s.confupdtype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'
    ELSE 'SET DEFAULT' END AS on_update,
  CASE s.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'
    ELSE 'SET DEFAULT' END AS on_delete
FROM pg_constraint s JOIN pg_class c ON c.oid = s.conrelid JOIN pg_class r ON r.oid = s.confrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN kwild_engine.namespaces k ON k.name = n.nspname
WHERE s.contype = 'f' ORDER BY namespace, table_name, name;

CREATE VIEW info.actions AS
SELECT a.namespace, a.name, a.raw_statement, a.modifiers AS access_modifiers,
  ARRAY(SELECT p.name FROM kwild_engine.parameters p WHERE p.action_id = a.id ORDER BY p."position") AS parameter_names,
  ARRAY(SELECT p.type FROM kwild_engine.parameters p WHERE p.action_id = a.id ORDER BY p."position") AS parameter_types,
  ARRAY(SELECT r.name FROM kwild_engine.return_fields r WHERE r.action_id = a.id ORDER BY r."position") AS return_names,
  ARRAY(SELECT r.type FROM kwild_engine.return_fields r WHERE r.action_id = a.id ORDER BY r."position") AS return_types,
  a.returns_table, a.built_in
FROM kwild_engine.actions a ORDER BY a.namespace, a.name;

CREATE VIEW info.roles AS SELECT name, built_in FROM kwild_engine.roles ORDER BY 1, 2;
CREATE VIEW info.user_roles AS SELECT role_name, user_identifier FROM kwild_engine.user_roles ORDER BY 1, 2;
CREATE VIEW info.db_owner AS SELECT user_identifier FROM kwild_engine.user_roles WHERE role_name = 'owner';
CREATE VIEW info.role_privileges AS
  SELECT role_name, privilege, namespace, granted FROM kwild_engine.role_privileges ORDER BY 1, 2, 3, 4;
CREATE VIEW info.extensions AS
  SELECT NULL::text AS namespace, NULL::text AS extension, NULL::text[] AS parameters, NULL::text[] AS values WHERE false;
`;

/** Everything that is the same in every network, and not part of a dump. */
export const BOOTSTRAP_SQL = ENGINE_TABLES + FUNCTIONS + INFO_VIEWS;

/** Rows of a network that has just begun. */
export const GENESIS_SQL = `
INSERT INTO kwild_engine.namespaces VALUES (1, 'info', 'SYSTEM'), (2, 'main', 'SYSTEM');
INSERT INTO kwild_engine.roles VALUES ('default', true), ('owner', true);
INSERT INTO kwild_engine.role_privileges (role_name, privilege) VALUES ('default', 'SELECT'), ('default', 'CALL');
INSERT INTO kwild_engine.role_privileges (role_name, privilege)
  SELECT 'owner', p FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','CREATE','DROP','ALTER','CALL','ROLES','USE']) AS t (p);
`;
