package tables

import "fmt"

// supportVersion is that of what all tables need in the schema tower. It is in the comment on
// the function tower.capture: "tower 3".
const supportVersion = 3

// support makes what all tables need in the schema tower, or brings it up to date.
//
//   - exact has records whose bytes do not follow from the columns.
//   - adopted has the commits of rows that other programs have written.
//   - inbox has what other programs have written and no node has given a number: each row as
//     it was and as they have left it.
//   - shape counts the changes of the tables, so that nodes notice them.
//
// The functions own and node tell tower's own writes. Anybody can make own true, and so avoid
// checks. To avoid being captured one must also be allowed to write commits. They are in
// PL/pgSQL because a trigger would have functions in SQL parsed in each statement.
var support = `CREATE SCHEMA IF NOT EXISTS tower;
GRANT USAGE ON SCHEMA tower TO PUBLIC;
CREATE TABLE IF NOT EXISTS tower.exact (
	model text COLLATE "C", id text COLLATE "C", seq bigint NOT NULL, public bytea NOT NULL, private bytea, PRIMARY KEY (model, id)
);
CREATE TABLE IF NOT EXISTS tower.adopted (
	model text COLLATE "C", id text COLLATE "C", seq bigint NOT NULL, PRIMARY KEY (model, id)
);
CREATE TABLE IF NOT EXISTS tower.inbox (
	n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	model text NOT NULL, id text NOT NULL, fresh jsonb, gone jsonb
);
ALTER TABLE tower.inbox ADD COLUMN IF NOT EXISTS gone jsonb;
CREATE TABLE IF NOT EXISTS tower.shape (one int PRIMARY KEY CHECK (one = 1), version bigint NOT NULL);
INSERT INTO tower.shape VALUES (1, 0) ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION tower.own() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS
	$$ BEGIN RETURN coalesce(current_setting('tower.writer', true), '') = 'on'; END $$;
CREATE OR REPLACE FUNCTION tower.node() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS
	$$ BEGIN RETURN CASE WHEN coalesce(current_setting('tower.writer', true), '') = 'on' THEN has_table_privilege(session_user, 'tower.commits', 'INSERT') ELSE false END; END $$;
CREATE OR REPLACE FUNCTION tower.ulid() RETURNS text LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
	SELECT string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substring(bits FROM i * 5 + 1 FOR 5)::int + 1, 1), '' ORDER BY i)
	FROM (SELECT B'00' || (extract(epoch FROM clock_timestamp()) * 1000)::bigint::bit(48)
			|| ('x' || substr(u, 1, 12) || substr(u, 19, 8))::bit(80) AS bits
		FROM replace(gen_random_uuid()::text, '-', '') AS u) AS made, generate_series(0, 25) AS i $$;
CREATE OR REPLACE FUNCTION tower.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
	RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION tower.capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 SET bytea_output = hex SET timezone = 'UTC' AS $$
DECLARE idle boolean; count bigint; more bigint := 0;
BEGIN
	idle := NOT EXISTS (SELECT FROM tower.inbox);
	CASE TG_OP
	WHEN 'INSERT' THEN
		INSERT INTO tower.inbox (model, id, fresh) SELECT TG_TABLE_NAME, f.id, to_jsonb(f) FROM fresh f;
		GET DIAGNOSTICS count = ROW_COUNT;
	WHEN 'UPDATE' THEN
		INSERT INTO tower.inbox (model, id, gone) SELECT TG_TABLE_NAME, g.id, to_jsonb(g) FROM gone g WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.id = g.id);
		GET DIAGNOSTICS more = ROW_COUNT;
		INSERT INTO tower.inbox (model, id, fresh, gone) SELECT TG_TABLE_NAME, f.id, to_jsonb(f), CASE WHEN g.id IS NOT NULL THEN to_jsonb(g) END FROM fresh f LEFT JOIN gone g ON g.id = f.id;
		GET DIAGNOSTICS count = ROW_COUNT;
	WHEN 'DELETE' THEN
		INSERT INTO tower.inbox (model, id, gone) SELECT TG_TABLE_NAME, g.id, to_jsonb(g) FROM gone g;
		GET DIAGNOSTICS count = ROW_COUNT;
	ELSE
		EXECUTE format('INSERT INTO tower.inbox (model, id, gone) SELECT %L, t.id, to_jsonb(t) FROM %I.%I AS t', TG_TABLE_NAME, TG_TABLE_SCHEMA, TG_TABLE_NAME);
		GET DIAGNOSTICS count = ROW_COUNT;
	END CASE;
	IF idle AND count + more > 0 THEN
		PERFORM pg_notify('tower', '');
	END IF;
	RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tower.guard(models text[], ids text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF ` + Waiting + ` AND EXISTS (SELECT FROM tower.inbox i JOIN unnest(models, ids) AS w (model, id) USING (model, id)) THEN
		RAISE EXCEPTION 'another program has changed a record first' USING ERRCODE = 'serialization_failure';
	END IF;
END $$;
CREATE OR REPLACE FUNCTION tower.expect(true_now boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF true_now IS NOT TRUE THEN
		RAISE EXCEPTION 'the log has moved on' USING ERRCODE = 'serialization_failure';
	END IF;
END $$;
REVOKE ALL ON tower.exact, tower.adopted, tower.inbox, tower.shape FROM PUBLIC;
COMMENT ON TABLE tower.exact IS 'Records whose bytes do not follow from their columns.';
COMMENT ON TABLE tower.adopted IS 'The commits of rows that other programs have written.';
COMMENT ON TABLE tower.inbox IS 'What other programs have written, until a node has made commits of it.';
COMMENT ON TABLE tower.shape IS 'Counts the changes of the tables, so that nodes notice them.';
COMMENT ON FUNCTION tower.capture() IS ` + fmt.Sprintf("'tower %d'", supportVersion)

// triggers returns the triggers of a table, each with the statement that makes it.
func (t *Table) triggers() []trigger {
	name := t.sql()
	capture := "FOR EACH STATEMENT WHEN (NOT tower.node()) EXECUTE FUNCTION tower.capture()"
	return []trigger{
		{"tower_insert", fmt.Sprintf("AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh %s", name, capture)},
		{"tower_update", fmt.Sprintf("AFTER UPDATE ON %s REFERENCING OLD TABLE AS gone NEW TABLE AS fresh %s", name, capture)},
		{"tower_delete", fmt.Sprintf("AFTER DELETE ON %s REFERENCING OLD TABLE AS gone %s", name, capture)},
		{"tower_truncate", fmt.Sprintf("BEFORE TRUNCATE ON %s %s", name, capture)},
		{"tower_touch", fmt.Sprintf("BEFORE UPDATE ON %s FOR EACH ROW WHEN (NOT tower.own() AND OLD.updated_at = NEW.updated_at AND OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION tower.touch()", name)},
	}
}

type trigger struct{ name, definition string }
