package report

import (
	"bytes"
	"errors"
	"html"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A ForestPlot shows changes with their intervals, one below the other, around 1.
type ForestPlot struct {
	Title string
	Rows  []ForestRow
}

// A ForestRow is one change, as a ratio.
type ForestRow struct {
	Label            string
	Mark             ForestMark
	Ratio, Low, High float64 // without an interval, High is infinite
	// Floor is the smallest change, as a share, that could have been seen; infinite: none.
	Floor float64
}

// A ForestMark is what a change means. Each has a colour and a shape.
type ForestMark uint8

// The marks.
const (
	ForestUndecided ForestMark = iota
	ForestBetter
	ForestWorse
	ForestChanged // neither better nor worse
)

var forestGlyphs = [...]draw.GlyphStyle{
	ForestUndecided: {Color: palette[6], Radius: 2.5, Shape: draw.RingGlyph{}},
	ForestBetter:    {Color: palette[0], Radius: 3, Shape: draw.CircleGlyph{}},
	ForestWorse:     {Color: palette[1], Radius: 3, Shape: draw.BoxGlyph{}},
	ForestChanged:   {Color: palette[3], Radius: 3, Shape: draw.PyramidGlyph{}},
}

// The measures of a forest plot, in points: two columns of a paper.
const (
	forestWidth  = 500
	forestLabels = 170 // what the labels may take
	forestWords  = 130 // what stands on the right
	forestRow    = 14
	forestAbove  = 22
	forestBelow  = 26
	forestChars  = 34 // of a label
)

// Forest draws the plot as an SVG document.
func Forest(f ForestPlot) ([]byte, error) {
	if len(f.Rows) == 0 {
		return nil, errors.New("there is no ratio to draw: no metric has only values above 0 on both sides")
	}
	height := vg.Length(forestAbove + forestRow*len(f.Rows) + forestBelow)
	canvas := vgsvg.New(forestWidth, height)
	whole := draw.New(canvas)
	whole.SetColor(paper)
	whole.Fill(whole.Path())
	area := forestArea{Canvas: whole, left: forestLabels, right: forestWidth - forestWords, top: height - forestAbove, bottom: forestBelow}
	area.low, area.high = f.extent()
	area.scale()
	title := style(textSize)
	whole.FillText(title, vg.Point{X: 6, Y: height - 14}, clean(f.Title, 90))
	for i, row := range f.Rows {
		area.row(row, area.top-forestRow*(vg.Length(i)+0.5))
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	text := fontStyle.ReplaceAllString(b.String(), fontFamily)
	begin := strings.Index(text, "<svg")
	end := begin + strings.Index(text[begin:], ">") + 1
	return []byte(text[:begin] + svgMark + "\n" + text[begin:end] + "\n<title>" + html.EscapeString(clean(f.Title, 200)) + "</title>" + text[end:]), nil
}

// extent is the range of the axis: all changes, and what of the intervals is not absurdly wide.
func (f ForestPlot) extent() (low, high float64) {
	low, high = 1, 1
	for _, r := range f.Rows {
		low, high = math.Min(low, r.Ratio), math.Max(high, r.Ratio)
	}
	const reach = 3 // times as far as the changes
	farLow, farHigh := math.Min(math.Pow(low, reach), 1/1.05), math.Max(math.Pow(high, reach), 1.05)
	for _, r := range f.Rows {
		if r.Low > 0 && !math.IsInf(r.High, 0) {
			low, high = math.Min(low, math.Max(r.Low, farLow)), math.Max(high, math.Min(r.High, farHigh))
		}
	}
	low, high = math.Min(low, 0.995), math.Max(high, 1.005)
	room := math.Pow(high/low, 0.05)
	return low / room, high * room
}

// A forestArea is where the changes are drawn.
type forestArea struct {
	draw.Canvas
	left, right, top, bottom vg.Length
	low, high                float64
}

// at is where a ratio is, and whether that is inside.
func (a *forestArea) at(ratio float64) (x vg.Length, inside bool) {
	share := math.Log(ratio/a.low) / math.Log(a.high/a.low)
	return a.left + (a.right-a.left)*vg.Length(min(max(share, 0), 1)), share >= 0 && share <= 1
}

// scale draws the axis, with lines up through the rows; the one of 1 is dark.
func (a *forestArea) scale() {
	small := style(smallSize)
	small.XAlign, small.YAlign = draw.XCenter, draw.YTop
	for _, v := range ratioTicks(a.low, a.high) {
		x, _ := a.at(v)
		line := draw.LineStyle{Color: rule, Width: 0.5}
		if math.Abs(v-1) < 1e-9 {
			line = draw.LineStyle{Color: ink, Width: 0.8}
		}
		a.StrokeLine2(line, x, a.bottom, x, a.top)
		a.FillText(small, vg.Point{X: x, Y: a.bottom - 3}, strconv.FormatFloat(v, 'g', 4, 64))
	}
	a.FillText(small, vg.Point{X: (a.left + a.right) / 2, Y: a.bottom - 13}, "ratio, with its 95 % interval; grey: too small to be seen")
}

// row draws one change at that height.
func (a *forestArea) row(r ForestRow, y vg.Length) {
	small := style(smallSize)
	small.YAlign = draw.YCenter
	a.FillText(small, vg.Point{X: 6, Y: y}, clean(r.Label, forestChars))
	if !math.IsInf(r.Floor, 0) && !math.IsNaN(r.Floor) {
		from, _ := a.at(1 / (1 + r.Floor))
		to, _ := a.at(1 + r.Floor)
		a.FillPolygon(color.RGBA{0xee, 0xee, 0xee, 0xff}, []vg.Point{{X: from, Y: y - 5}, {X: to, Y: y - 5}, {X: to, Y: y + 5}, {X: from, Y: y + 5}})
		one, _ := a.at(1)
		a.StrokeLine2(draw.LineStyle{Color: ink, Width: 0.8}, one, y-5, one, y+5)
	}
	glyph := forestGlyphs[r.Mark]
	words := strconv.FormatFloat(r.Ratio, 'f', 3, 64)
	if r.Low > 0 && !math.IsInf(r.High, 0) {
		a.interval(draw.LineStyle{Color: glyph.Color, Width: 1.2}, r.Low, r.High, y)
		words += " (" + strconv.FormatFloat(r.Low, 'f', 3, 64) + " to " + strconv.FormatFloat(r.High, 'f', 3, 64) + ")"
	}
	x, _ := a.at(r.Ratio)
	a.DrawGlyphNoClip(glyph, vg.Point{X: x, Y: y})
	a.FillText(small, vg.Point{X: a.right + 8, Y: y}, clean(words, 28))
}

// interval draws the interval; an end that lies outside has no whisker.
func (a *forestArea) interval(line draw.LineStyle, low, high float64, y vg.Length) {
	const whisker = 2.5
	from, begins := a.at(low)
	to, ends := a.at(high)
	a.StrokeLine2(line, from, y, to, y)
	if begins {
		a.StrokeLine2(line, from, y-whisker, from, y+whisker)
	}
	if ends {
		a.StrokeLine2(line, to, y-whisker, to, y+whisker)
	}
}

// ratioTicks are a few round ratios between low and high, 1 among them.
func ratioTicks(low, high float64) []float64 {
	const most = 7
	if high/low > 4 {
		var ticks []float64
		for _, v := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100} {
			if v >= low && v <= high {
				ticks = append(ticks, v)
			}
		}
		return ticks
	}
	for _, step := range []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1} {
		if (high-low)/step > most {
			continue
		}
		var ticks []float64
		for n := math.Ceil((low - 1) / step); 1+n*step <= high; n++ {
			ticks = append(ticks, 1+n*step)
		}
		return ticks
	}
	return []float64{1}
}
