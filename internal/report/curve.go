package report

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A curve draws one series: bars for the spread, lines where they mean something, marks.
type curve struct {
	points []point
	joined bool
	line   draw.LineStyle
	mark   draw.GlyphStyle
	// aside is how far the series is moved sideways, in points, so that the bars
	// of several at one place can be told apart.
	aside vg.Length
	share float64 // the same, as part of the distance between categories or runs
}

func newCurve(f *figure, t trace, n int) *curve {
	colour := palette[n%len(palette)]
	c := &curve{
		points: t.points, joined: f.joined,
		line: draw.LineStyle{Color: colour, Width: 1.2, Dashes: dashes[n/len(palette)%len(dashes)]},
		mark: draw.GlyphStyle{Color: colour, Radius: 2.5, Shape: marks[n%len(marks)]},
	}
	from := float64(n) - float64(len(f.traces)-1)/2
	switch {
	case f.x.categories != nil:
		c.share = from * 0.7 / float64(len(f.traces))
	case f.plain:
		c.share = from * 0.35
	default:
		c.aside = vg.Length(from * min(3, 12/float64(len(f.traces))))
	}
	if len(t.points) > 60 {
		c.mark.Radius = 1.5
	}
	return c
}

func (c *curve) Plot(area draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&area)
	var path []vg.Point
	for _, v := range c.points {
		at := vg.Point{X: x(v.x+c.share) + c.aside, Y: y(v.mid)}
		path = append(path, at)
		if v.low < v.high {
			c.bar(area, at.X, y(v.low), y(v.high))
		}
	}
	if c.joined {
		area.StrokeLines(c.line, path)
	}
	for _, at := range path {
		area.DrawGlyphNoClip(c.mark, at)
	}
}

func (c *curve) bar(area draw.Canvas, x, low, high vg.Length) {
	const whisker = 2
	s := draw.LineStyle{Color: c.line.Color, Width: 0.8}
	area.StrokeLine2(s, x, low, x, high)
	area.StrokeLine2(s, x-whisker, low, x+whisker, low)
	area.StrokeLine2(s, x-whisker, high, x+whisker, high)
}

// sample draws a piece of the curve for the legend.
func (c *curve) sample(area draw.Canvas) {
	middle := area.Center()
	if c.joined {
		area.StrokeLine2(c.line, area.Min.X, middle.Y, area.Max.X, middle.Y)
	}
	area.DrawGlyphNoClip(c.mark, middle)
}
