package report

import (
	"image/color"
	"math"
	"strings"
	"unicode"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plots have the size at which they go into a column of a paper, and text that
// can be read there. The page shows them larger, and on a phone as they are.
const (
	plotWidth  = 340 // points
	plotHeight = 210
	textSize   = 9
	smallSize  = 8
)

// Colours of a plot. The page has others for the dark; see recolour.
var (
	ink   = color.RGBA{0x1a, 0x1a, 0x1a, 0xff}
	rule  = color.RGBA{0xe2, 0xe2, 0xe2, 0xff}
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
)

// palette is that of Okabe and Ito, which people with any kind of colour vision
// can tell apart, without the yellow, too light for lines, and with a grey for black.
var palette = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xd5, 0x5e, 0x00, 0xff}, // vermillion
	{0x00, 0x9e, 0x73, 0xff}, // green
	{0xcc, 0x79, 0xa7, 0xff}, // purple
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky
	{0x5b, 0x5b, 0x5b, 0xff}, // grey
}

// marks tell series apart without colours, as in print.
var marks = []draw.GlyphDrawer{
	draw.CircleGlyph{},
	draw.BoxGlyph{},
	draw.PyramidGlyph{},
	draw.RingGlyph{},
	draw.SquareGlyph{},
	draw.TriangleGlyph{},
	draw.CrossGlyph{},
	draw.PlusGlyph{},
}

// dashes change once all colours are used.
var dashes = [][]vg.Length{nil, {4, 2}, {1, 2}, {6, 2, 1, 2}}

func style(size vg.Length) text.Style {
	return text.Style{
		Color: ink, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		Handler: plot.DefaultTextHandler,
	}
}

// svg draws the figure as a document of its own.
func (f *figure) svg() ([]byte, error) {
	legend := newLegend(f)
	height := vg.Length(plotHeight) + legend.height()
	canvas := vgsvg.New(plotWidth, height)
	whole := draw.New(canvas)
	whole.SetColor(paper)
	whole.Fill(whole.Path())
	f.plot().Draw(draw.Crop(whole, 2, -8, legend.height()+2, -6))
	legend.draw(draw.Crop(whole, 0, 0, 2, 0))
	return f.document(canvas)
}

func (f *figure) plot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // a transparent background would be written as an invalid colour
	f.x.prepare(&p.X)
	f.y.prepare(&p.Y)
	const along, up = plotWidth - 60, plotHeight - 40
	small := style(smallSize)
	xs := f.x.thin(f.x.ticks(), small, along)
	if f.x.slanted(small, along) {
		p.X.Tick.Label.Rotation = math.Pi / 6
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YTop
	}
	p.X.Tick.Marker = plot.ConstantTicks(xs)
	ys := f.y.ticks()
	p.Y.Tick.Marker = plot.ConstantTicks(ys)
	p.Add(grid(ys))
	for n, t := range f.traces {
		p.Add(newCurve(f, t, n))
	}
	return p
}

func (a *axis) prepare(to *plot.Axis) {
	to.Min, to.Max = a.min, a.max
	if a.log {
		to.Scale = plot.LogScale{}
	}
	to.Padding = 4
	to.Color, to.Tick.Color = ink, ink
	to.Tick.Length = 5
	to.Label.Text = clean(a.text(), 60)
	to.Label.Padding = 3
	label, tick := style(textSize), style(smallSize)
	label.XAlign, label.YAlign = to.Label.TextStyle.XAlign, to.Label.TextStyle.YAlign
	tick.XAlign, tick.YAlign = to.Tick.Label.XAlign, to.Tick.Label.YAlign
	to.Label.TextStyle, to.Tick.Label = label, tick
}

// grid draws a line across at each labelled mark of the vertical axis.
type grid []plot.Tick

func (g grid) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	for _, t := range g {
		if t.Label != "" {
			c.StrokeLine2(draw.LineStyle{Color: rule, Width: 0.5}, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
		}
	}
}

// clean makes one short line of a text that a file or a program chose. Characters that XML does
// not allow are dropped.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}
