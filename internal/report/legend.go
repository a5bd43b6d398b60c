package report

import (
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A legend stands below the plot, in as many columns as fit: gonum's own lies
// over the data.
type legend struct {
	figure  *figure
	labels  []string
	columns int
	rows    int
	column  vg.Length // its width
}

const (
	legendRow    = 11.5 // points
	legendSample = 16
	legendMost   = 24 // series that are named
	legendLeft   = 12
	// wider leaves room where text is drawn in another font than it was measured in.
	wider = 1.15
)

func newLegend(f *figure) *legend {
	l := &legend{figure: f}
	if len(f.traces) < 2 && (len(f.traces) == 0 || f.traces[0].label == "") {
		return l
	}
	for n, t := range f.traces {
		if n == legendMost && len(f.traces) > legendMost+1 {
			l.labels = append(l.labels, fmt.Sprintf("… and %d more", len(f.traces)-legendMost))
			break
		}
		l.labels = append(l.labels, clean(t.label, 64))
	}
	for _, label := range l.labels {
		l.column = max(l.column, legendSample+4+style(smallSize).Width(label)*wider+10)
	}
	l.columns = min(max(int((plotWidth-legendLeft)/l.column), 1), len(l.labels))
	l.rows = (len(l.labels) + l.columns - 1) / l.columns
	return l
}

func (l *legend) height() vg.Length {
	if l.rows == 0 {
		return 0
	}
	return vg.Length(l.rows)*legendRow + 3
}

func (l *legend) draw(c draw.Canvas) {
	text := style(smallSize)
	text.YAlign = draw.YCenter
	for n, label := range l.labels {
		x := c.Min.X + legendLeft + vg.Length(n/l.rows)*l.column
		y := c.Min.Y + (vg.Length(l.rows-1-n%l.rows)+0.5)*legendRow
		if n < legendMost || len(l.figure.traces) == len(l.labels) {
			area := c
			area.Min, area.Max = vg.Point{X: x, Y: y - legendRow/2}, vg.Point{X: x + legendSample, Y: y + legendRow/2}
			newCurve(l.figure, l.figure.traces[n], n).sample(area)
		}
		c.FillText(text, vg.Point{X: x + legendSample + 4, Y: y}, label)
	}
}
