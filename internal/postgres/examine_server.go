package postgres

import (
	"fmt"
	"strings"
)

// A danger is a setting of the server whose value costs something.
type danger struct {
	name  string
	bad   string // SQL: whether it is, given its value v
	state State
	says  string
	fix   string // "": set it back
}

const setBack = "ALTER SYSTEM RESET %s, and SELECT pg_reload_conf(); or where it is set: SELECT sourcefile, source FROM pg_settings"

var dangers = []danger{
	{"fsync", "v = 'off'", Problem, "fsync is off: when the machine stops, acknowledged writes are lost, and the database may be destroyed", ""},
	{"full_page_writes", "v = 'off'", Problem, "full_page_writes is off: when the machine stops, pages that were half written destroy the database", ""},
	{"synchronous_commit", "v = 'off'", Problem, "synchronous_commit is off: when the server stops, writes are lost that were acknowledged in the last second", ""},
	{"default_transaction_read_only", "v = 'on'", Problem, "default_transaction_read_only is on: nothing can be written", ""},
	{"autovacuum", "v = 'off'", Problem, "autovacuum is off: what is changed or removed, such as old commits, keeps its place on the disk", ""},
	{"track_counts", "v = 'off'", Problem, "track_counts is off, so autovacuum does not run", ""},
	{"zero_damaged_pages", "v = 'on'", Problem, "zero_damaged_pages is on: damaged pages are emptied, and their records lost", ""},
	{"statement_timeout", "v <> '0'", Note, "statement_timeout ends statements that take longer, also the one by which a node builds its replica", "set it for other users alone: ALTER ROLE … SET statement_timeout"},
	{"transaction_timeout", "v <> '0'", Note, "transaction_timeout ends transactions that take longer, also the one by which a node builds its replica", "set it for other users alone: ALTER ROLE … SET transaction_timeout"},
	{"idle_session_timeout", "v <> '0'", Note, "idle_session_timeout ends connections that wait: nodes then connect again each time", "ALTER ROLE … SET idle_session_timeout = 0, for the user of the nodes"},
	{"idle_in_transaction_session_timeout", "v = '0'", Note, "idle_in_transaction_session_timeout is not set: another program that begins a transaction and goes to sleep holds up writes of the rows that it has changed, and keeps old ones on the disk",
		"ALTER DATABASE … SET idle_in_transaction_session_timeout = '1min'; tower sets its own"},
}

// settings looks at those of this user in this database.
func (e *examination) settings() error {
	var cases []string
	for i, d := range dangers {
		cases = append(cases, fmt.Sprintf("SELECT %d AS i FROM (SELECT setting AS v FROM pg_settings WHERE name = '%s') AS s WHERE %s", i, d.name, d.bad))
	}
	rows, err := e.conn.Query(e.ctx, strings.Join(cases, " UNION ALL ")+" ORDER BY i")
	if err != nil {
		return err
	}
	defer rows.Close()
	problems := 0
	for rows.Next() {
		var i int
		if err := rows.Scan(&i); err != nil {
			return err
		}
		d := dangers[i]
		fix := d.fix
		if fix == "" {
			fix = fmt.Sprintf(setBack, d.name) + fmt.Sprintf(" WHERE name = '%s'", d.name)
		}
		e.add(d.state, d.says, fix)
		if d.state == Problem {
			problems++
		}
	}
	if rows.Err() == nil && problems == 0 {
		e.ok("what is committed survives a crash: fsync, full_page_writes and synchronous_commit are on")
	}
	return rows.Err()
}

// standbys looks at the servers that could take over. Whether one is synchronous is shown to
// users with the role pg_monitor alone.
func (e *examination) standbys() error {
	var names, commit string
	var all, synchronous, lagging int
	err := e.scan(`SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'), count(*),
		count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),
		count(*) FILTER (WHERE sent_lsn - replay_lsn > 64 * 1024 * 1024)
		FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'`, &names, &commit, &all, &synchronous, &lagging)
	if err != nil {
		return err
	}
	switch {
	case names == "" && all > 0:
		e.note(fmt.Sprintf("all standbys are asynchronous (%d): if one takes over, writes that were acknowledged shortly before are lost, and clients that have them load their lists again", all),
			"let standbys take over only that are synchronous: ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (…)'")
	case names == "":
		e.note("the server knows of no standby: what was written since its last backup is lost with its disk", "have a synchronous standby, if no acknowledged write may be lost")
	case commit == "local" || commit == "off":
		e.problem("synchronous_commit is "+commit+", so writes do not wait for the synchronous standbys, and are lost if one takes over", "ALTER ROLE … RESET synchronous_commit, for the user of the nodes, or set it to on")
	case e.monitor && synchronous == 0:
		e.problem("synchronous_standby_names is "+names+", and no such standby is connected: each write waits for one", "bring one back, or if it will not come: ALTER SYSTEM RESET synchronous_standby_names, and SELECT pg_reload_conf()")
	case e.monitor:
		e.ok("synchronous standbys: %d of %d", synchronous, all)
	default:
		e.note("synchronous_standby_names is "+names+"; which standbys are connected is shown to users with the role pg_monitor", "GRANT pg_monitor to the user of the nodes, for this check alone")
	}
	if lagging > 0 {
		e.note(fmt.Sprintf("standbys that lack more than 64 MiB of the write-ahead log: %d", lagging), "look at their disks and their network")
	}
	return nil
}

// disk looks for what fills the disk of the write-ahead log. When that is full, the server stops.
func (e *examination) disk() error {
	slots, err := e.texts(`SELECT format('the replication slot %s, which nobody reads, keeps %s of the write-ahead log: the disk fills, and then the server stops', slot_name,
			pg_size_pretty(pg_current_wal_lsn() - restart_lsn))
		FROM pg_replication_slots WHERE NOT active AND pg_current_wal_lsn() - restart_lsn > 1024 * 1024 * 1024`)
	if err != nil {
		return err
	}
	for _, detail := range slots {
		e.problem(detail, "let its standby connect, or SELECT pg_drop_replication_slot(…); bound what slots keep with max_slot_wal_keep_size")
	}
	failing, err := e.texts(`SELECT format('the archiving of the write-ahead log fails since %s: the disk fills, and then the server stops', last_failed_time)
		FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity') AND current_setting('archive_mode') <> 'off'`)
	if err != nil {
		return err
	}
	for _, detail := range failing {
		e.problem(detail, "see the server's log for what archive_command says")
	}
	unbounded, err := e.texts(`SELECT slot_name FROM pg_replication_slots WHERE current_setting('max_slot_wal_keep_size') = '-1'`)
	if err == nil && len(unbounded) > 0 && len(slots) == 0 {
		e.note("max_slot_wal_keep_size is not set: a standby that stays away fills the disk by its replication slot "+unbounded[0], "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB', or what the disk allows")
	}
	return err
}
