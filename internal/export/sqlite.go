package export

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// WriteSQLite makes a database of the tables in a file that must not exist. Times are texts that
// SQLite's functions of time take, truth values 0 and 1.
func WriteSQLite(ctx context.Context, path string, tables []Table) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	err = fill(ctx, db, tables)
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	return err
}

func fill(ctx context.Context, db *sql.DB, tables []Table) error {
	// Nobody else sees the file before it is whole.
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := insert(ctx, tx, t); err != nil {
			_ = tx.Rollback() // the file is not used
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return tx.Commit()
}

func insert(ctx context.Context, tx *sql.Tx, t Table) error {
	definitions, marks := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		definitions[i], marks[i] = quoted(c.Name)+" "+sqlType(c.Kind), "?"
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s (%s)", quoted(t.Name), strings.Join(definitions, ", "))); err != nil {
		return err
	}
	add, err := tx.PrepareContext(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%s)", quoted(t.Name), strings.Join(marks, ", ")))
	if err != nil {
		return err
	}
	defer func() { _ = add.Close() }() // what it did is what counts
	cells := make([]any, len(t.Columns))
	for row, err := range t.Rows {
		if err != nil {
			return err
		}
		for i, cell := range row {
			cells[i] = sqlCell(cell)
		}
		if _, err := add.ExecContext(ctx, cells...); err != nil {
			return err
		}
	}
	return nil
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func sqlType(k Kind) string {
	switch k {
	case Integer, Boolean:
		return "INTEGER"
	case Real:
		return "REAL"
	case Text, Time:
	}
	return "TEXT"
}

func sqlCell(cell any) any {
	switch v := cell.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case time.Time:
		return v.Format("2006-01-02T15:04:05.000000000Z")
	}
	return cell
}
