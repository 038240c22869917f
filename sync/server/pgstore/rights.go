package pgstore

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// made finds the tables in the migrations.
var made = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)

// addedTo are tables whose rows are never changed: an operator may keep it so.
var addedTo = []string{"audit", "chain", "conflicts", "forgotten", "outcomes"}

// need is what a server does to tables.
type need struct {
	right, says string
	tables      []string
}

func needs(migrations []string) []need {
	var all, changed []string
	for _, text := range migrations {
		for _, table := range made.FindAllStringSubmatch(text, -1) {
			all = append(all, table[1])
			if !slices.Contains(addedTo, table[1]) {
				changed = append(changed, table[1])
			}
		}
	}
	return []need{{"SELECT", "SELECT from ", all}, {"INSERT", "INSERT into ", all}, {"UPDATE", "UPDATE ", changed}, {"DELETE", "DELETE from ", []string{"members", "records"}}}
}

// mayWork refuses a database in which this role cannot do all of a server's
// work. Found out by the first write that needs it, it would be told to the
// laptops.
func mayWork(ctx context.Context, c *pgx.Conn, migrations []string) error {
	var readOnly bool
	var schema string
	if err := c.QueryRow(ctx, `SELECT current_setting('transaction_read_only') = 'on', current_schema()`).Scan(&readOnly, &schema); err != nil {
		return err
	}
	if readOnly {
		return readOnlyError(c.Config())
	}
	var lacking []string
	for _, n := range needs(migrations) {
		rows, err := c.Query(ctx, `SELECT w.name FROM unnest($1::text[]) AS w (name) WHERE NOT has_table_privilege(w.name, $2) ORDER BY w.name`, n.tables, n.right)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if more := len(names) - 3; more > 0 {
			names = append(names[:3:3], fmt.Sprintf("%d more", more))
		}
		if len(names) > 0 {
			lacking = append(lacking, n.says+strings.Join(names, ", "))
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	user := c.Config().User
	return &OpenError{fmt.Sprintf("%s may not do all that is needed in the database %s: no %s", user, c.Config().Database, strings.Join(lacking, "; ")),
		"as their owner: " + grant(schema, user)}
}

// grant is what lets a role do a server's work, but for migrations: those are the
// owner's.
func grant(schema, role string) string {
	return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s", schema, role)
}

func readOnlyError(c *pgx.ConnConfig) error {
	return &OpenError{fmt.Sprintf("the database %s at %s:%d takes no writes", c.Database, c.Host, c.Port),
		"it is a standby, or set read-only: name the primary, or both machines with target_session_attrs=read-write (HOST1,HOST2); see also default_transaction_read_only"}
}
