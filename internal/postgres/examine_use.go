package postgres

import (
	"fmt"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/nodes"
)

// Each node has its writer, its listener and a few more.
const connectionsPerNode = maxOthers + 2

// rights looks for what the user may not do. FOR UPDATE needs the right to update.
func (e *examination) rights() error {
	if !e.there {
		var may bool
		if err := e.scan("SELECT has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege('public', 'CREATE')", &may); err != nil {
			return err
		}
		if !may {
			e.problem("the user may not make tables, and there are none yet", "as the owner of the database: GRANT CREATE ON DATABASE …, and GRANT CREATE ON SCHEMA public TO the user of the nodes")
		}
		return nil
	}
	missing, err := e.texts(`SELECT concat_ws(' ', CASE WHEN schema = 'tower' THEN 'tower.' ELSE 'public.' END || name, '(' || string_agg(needed, ', ') || ')') FROM (
		SELECT n.nspname AS schema, c.relname AS name, needed
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
		WHERE c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, needed)
			AND (n.nspname = 'tower' OR n.nspname = 'public' AND EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = 'tower_insert'))
	) AS rights GROUP BY schema, name ORDER BY 1`)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		e.problem("the user lacks rights on tables: "+strings.Join(missing, ", "), "as their owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tower, public TO the user of the nodes")
	}
	var owner string
	var owns bool
	if err := e.scan("SELECT pg_get_userbyid(relowner), pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'tower.turn'::regclass", &owner, &owns); err != nil {
		return err
	}
	var lineage bool
	if err := e.scan("SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AND has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE')", &lineage); err != nil {
		return err
	}
	if !lineage {
		e.problem("the user may not ask which server this is: a failover that loses commits goes by unseen", "as superuser: GRANT EXECUTE ON FUNCTION pg_control_system(), pg_walfile_name(pg_lsn) TO the user of the nodes")
	}
	switch {
	case len(missing) > 0:
	case !owns:
		e.note("the tables belong to "+owner+": the user can write them, and not change them", "run tower db migrate with an address of that user, or GRANT "+owner+" TO the user of the nodes")
	default:
		e.ok("the user has all rights on the tables")
	}
	return nil
}

// connections compares how many the nodes need with how many the server has.
func (e *examination) connections() error {
	if e.pooled {
		e.ok("a pooler is in between: it must have %d connections for each node", connectionsPerNode)
		return nil
	}
	var most, others int
	err := e.scan(`SELECT least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true)::int, 0),
			CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit END, CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit END),
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'tower' AND pid <> pg_backend_pid())
		FROM pg_database AS d, pg_roles AS r WHERE d.datname = current_database() AND r.rolname = current_user`, &most, &others)
	if err != nil {
		return err
	}
	live := 1
	if e.there {
		if err := e.scan(fmt.Sprintf("SELECT greatest(count(*), 1) FROM tower.nodes WHERE seen > now() - interval '%d seconds'", int(nodes.Dead.Seconds())), &live); err != nil {
			return err
		}
	}
	// While nodes are replaced, there is one more.
	need := (live + 1) * connectionsPerNode
	switch detail := fmt.Sprintf("the user can have %d connections, and other programs have %d; the nodes (%d, and one that replaces another) need %d", most, others, live, need); {
	case most < need:
		e.problem(detail, fmt.Sprintf("raise max_connections, or the limit of the user or the database, to %d at least, and restart the server", need+others))
	case most-others < need:
		e.note(detail, "raise max_connections, or have other programs close some: nodes that are short of connections cannot start")
	default:
		e.ok("%s", detail)
	}
	return nil
}

// longTransaction is how long one may be open.
var longTransaction = time.Minute // tests shorten it

// transactions looks for those of other programs that are open for long: they hold up writes.
func (e *examination) transactions() error {
	open, err := e.texts(`SELECT format('the transaction of process %s (%s, %s) is open for %s: it can hold up writes, and keeps old rows on the disk', pid, usename,
			coalesce(nullif(application_name, ''), 'without a name'), date_trunc('second', clock_timestamp() - xact_start))
		FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND xact_start < clock_timestamp() - make_interval(secs => ` + fmt.Sprint(longTransaction.Seconds()) + `) ORDER BY xact_start LIMIT 3`)
	for _, detail := range open {
		e.note(detail, "end it if nobody needs it: SELECT pg_terminate_backend(PID)")
	}
	return err
}

// commits looks at how many are kept, which nodes that were away need.
func (e *examination) commits() error {
	if !e.there {
		return nil
	}
	var size string
	var age float64
	err := e.scan(`SELECT pg_size_pretty(pg_total_relation_size('tower.commits')),
		coalesce(extract(epoch FROM now() - (SELECT at FROM tower.commits WHERE seq < (SELECT max(seq) FROM tower.commits) ORDER BY seq LIMIT 1)), 0)::float8`, &size, &age)
	if err != nil {
		if code(err) == noRight {
			return nil // it is among the rights
		}
		return err
	}
	kept := time.Duration(age * float64(time.Second)).Round(time.Minute)
	if kept > dayOfCommits*3/2 {
		e.problem(fmt.Sprintf("the oldest commit is from %s ago: nodes remove those of more than a day, and none does", kept), "see the logs of the nodes for \"old commits were not removed\"")
		return nil
	}
	e.ok("commits of the last %s take %s: a node that is away for longer than a day builds its replica anew", kept, size)
	return nil
}
