package report_test

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"downbeat/internal/report/reporttest"
	"downbeat/internal/results"
)

// svgStyle is what a figure says about colours and fonts.
var (
	svgColours = regexp.MustCompile(`(?:fill|stroke):([^;"]*)`)
	goodColour = regexp.MustCompile(`^(none|#[0-9A-Fa-f]{6})$`)
	svgFonts   = regexp.MustCompile(`font-family:([^;"]*)`)
)

// largeNumbers is an experiment whose metrics need powers of ten.
func largeNumbers() reporttest.Experiment {
	spec := reporttest.Small()
	spec.Change = func(r *results.Record) {
		for name := range r.Metrics {
			r.Metrics[name] *= 1e6
		}
	}
	return spec
}

// A figure as it goes into a paper says nothing that only a browser overlooks: its
// colours are colours, its fonts have fallbacks, and its text has no character that
// few fonts have.
func TestFiguresAreForEveryRenderer(t *testing.T) {
	t.Parallel()
	for _, file := range figureFiles(t, makeReport(t, largeNumbers())) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, m := range svgColours.FindAllStringSubmatch(text, -1) {
			if !goodColour.MatchString(m[1]) {
				t.Errorf("%s: colour %q", filepath.Base(file), m[1])
			}
		}
		fonts := svgFonts.FindAllStringSubmatch(text, -1)
		for _, m := range fonts {
			if m[1] != "'Liberation Sans',Arial,Helvetica,sans-serif" {
				t.Errorf("%s: font %q", filepath.Base(file), m[1])
			}
		}
		if len(fonts) < 5 {
			t.Errorf("%s: %d texts", filepath.Base(file), len(fonts))
		}
		if i := strings.IndexAny(text, "⁻⁰⁴⁵⁶⁷⁸⁹"); i >= 0 {
			t.Errorf("%s: %q", filepath.Base(file), text[max(i-30, 0):i+10])
		}
	}
}

func figureFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "figures", "*.svg"))
	if err != nil || len(files) < 3 {
		t.Fatalf("figures: %v, %v", files, err)
	}
	return files
}

// A renderer that is not a browser draws a figure as it is meant: white where
// nothing is, with dark text and coloured lines.
func TestFiguresInASecondRenderer(t *testing.T) {
	t.Parallel()
	renderer, err := exec.LookPath("cairosvg")
	if err != nil {
		t.Skip("no CairoSVG here: install it with scripts/install-deps, or with apt-get install cairosvg")
	}
	for _, file := range figureFiles(t, makeReport(t, largeNumbers())) {
		out, err := exec.CommandContext(t.Context(), renderer, "--format=png", "--scale=2", file).Output()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		picture, err := png.Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		white, dark, coloured := shares(picture)
		if white < 0.6 || dark < 0.002 || dark > 0.2 || coloured < 0.0005 {
			t.Errorf("%s: %.3f of it is white, %.3f dark, %.4f coloured", filepath.Base(file), white, dark, coloured)
		}
	}
}

// shares tells how much of a picture is white, dark and coloured.
func shares(picture image.Image) (white, dark, coloured float64) {
	b := picture.Bounds()
	share := 1 / float64(b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, blue, _ := picture.At(x, y).RGBA()
			low, high := min(r, g, blue)>>8, max(r, g, blue)>>8
			switch {
			case low > 240:
				white += share
			case high < 100:
				dark += share
			case high-low > 60:
				coloured += share
			}
		}
	}
	return white, dark, coloured
}
