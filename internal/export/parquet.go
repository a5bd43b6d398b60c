package export

import (
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
)

// WriteParquet writes a table as a Parquet file: compressed by Zstandard, times in nanoseconds in
// UTC.
func WriteParquet(w io.Writer, t Table) error {
	schema, leaves := schemaOf(t)
	out := parquet.NewWriter(w, schema, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("Downbeat", "", ""))
	const batch = 1024
	rows := make([]parquet.Row, 0, batch)
	flush := func() error {
		_, err := out.WriteRows(rows)
		rows = rows[:0]
		return err
	}
	for cells, err := range t.Rows {
		if err != nil {
			return err
		}
		row := make(parquet.Row, len(cells))
		for i, cell := range cells {
			row[leaves[i]] = parquetValue(cell, leaves[i])
		}
		if rows = append(rows, row); len(rows) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return out.Close()
}

// schemaOf gives the table's schema, and which of its leaves each column is.
func schemaOf(t Table) (*parquet.Schema, []int) {
	group := orderedGroup{Group: make(parquet.Group), names: make([]string, len(t.Columns))}
	leaves := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		group.Group[c.Name], group.names[i], leaves[i] = parquet.Optional(nodeOf(c.Kind)), c.Name, i
	}
	return parquet.NewSchema(t.Name, group), leaves
}

func nodeOf(k Kind) parquet.Node {
	switch k {
	case Integer:
		return parquet.Int(64)
	case Real:
		return parquet.Leaf(parquet.DoubleType)
	case Boolean:
		return parquet.Leaf(parquet.BooleanType)
	case Time:
		return parquet.Timestamp(parquet.Nanosecond)
	case Text:
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
}

// An orderedGroup keeps its fields in the order of the table's columns, where a group sorts them.
type orderedGroup struct {
	parquet.Group

	names []string
}

// Fields implements [parquet.Node].
func (g orderedGroup) Fields() []parquet.Field {
	sorted := g.Group.Fields()
	fields := make([]parquet.Field, 0, len(sorted))
	for _, name := range g.names {
		for _, f := range sorted {
			if f.Name() == name {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// parquetValue is a cell of an optional column.
func parquetValue(cell any, column int) parquet.Value {
	const absent, present = 0, 1
	var v parquet.Value
	switch c := cell.(type) {
	case nil:
		return parquet.NullValue().Level(0, absent, column)
	case string:
		v = parquet.ByteArrayValue([]byte(c))
	case int64:
		v = parquet.Int64Value(c)
	case float64:
		v = parquet.DoubleValue(c)
	case bool:
		v = parquet.BooleanValue(c)
	case time.Time:
		v = parquet.Int64Value(c.UnixNano())
	default:
		panic(fmt.Sprintf("a cell of type %T", cell))
	}
	return v.Level(0, present, column)
}
