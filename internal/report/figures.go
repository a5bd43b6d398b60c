package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"gonum.org/v1/plot/vg/vgsvg"
)

// svgMark is in every figure that Downbeat has drawn, to tell outdated ones from the user's own
// files.
const svgMark = "<!-- drawn by Downbeat -->"

// fontFamily: gonum measures text in Liberation Sans, and Arial and Helvetica are
// as wide, so that nothing overlaps where that is missing.
const fontFamily = "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"

// fontStyle matches how gonum writes a font.
var fontStyle = regexp.MustCompile(`font-family:Liberation Sans;(font-(variant|weight|style):[a-z]+;?)*`)

// A drawing is a figure as it is written.
type drawing struct {
	*figure
	svg []byte
}

// draw draws all figures. The page has the same pictures as the files.
func (r *Report) draw() ([]drawing, error) {
	var all []drawing
	for _, f := range figures(r.sorted()) {
		svg, err := f.svg()
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", f.title, err)
		}
		all = append(all, drawing{f, svg})
	}
	return all, nil
}

// document adds a title and common fonts to the drawing.
func (f *figure) document(canvas *vgsvg.Canvas) ([]byte, error) {
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	text := b.String()
	text = fontStyle.ReplaceAllString(text, fontFamily)
	begin := strings.Index(text, "<svg")
	end := begin + strings.Index(text[begin:], ">") + 1
	text = text[:begin] + svgMark + "\n" + text[begin:end] + "\n<title>" + html.EscapeString(clean(f.title, 200)) + "</title>" + text[end:]
	return []byte(text), nil
}

var coloured = regexp.MustCompile(`#[0-9A-Fa-f]{6}\b`)

// inline returns the picture for the page: without the parts of a document, and with the page's
// colours, which differ in dark mode.
func (d drawing) inline() template.HTML {
	text := string(d.svg)
	text = text[strings.Index(text, "<svg"):]
	text = coloured.ReplaceAllStringFunc(text, recolour)
	// gonum and document have escaped the texts that a file or a program chose.
	return template.HTML(text)
}

// recolour replaces a colour of a plot by its name in the page's style sheet.
func recolour(hex string) string {
	switch strings.ToLower(hex) {
	case hexOf(ink):
		return "var(--ink)"
	case hexOf(rule):
		return "var(--rule)"
	case hexOf(paper):
		return "none"
	}
	for n, c := range palette {
		if strings.EqualFold(hex, hexOf(c)) {
			return "var(--series-" + strconv.Itoa(n+1) + ")"
		}
	}
	return hex
}

func hexOf(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// writeFigures writes the files that have changed, and removes those of ours that
// are not current any more.
func (r *Report) writeFigures(all []drawing) error {
	dir := filepath.Join(r.dir, FiguresDir)
	current := map[string]bool{}
	for _, d := range all {
		name := d.file + ".svg"
		current[name] = true
		if err := r.writeFigure(dir, name, d.svg); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if filepath.Ext(path) == ".svg" && !current[e.Name()] && ours(path) {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Report) writeFigure(dir, name string, data []byte) error {
	if r.figures[name] == string(data) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	err := replaceFile(dir, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err == nil {
		r.figures[name] = string(data)
	}
	return err
}

// ours reports whether a file is a figure that Downbeat has drawn.
func ours(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, 256)
	n, _ := io.ReadFull(f, begin)
	return bytes.Contains(begin[:n], []byte(svgMark))
}

// replaceFile replaces a file in dir atomically. It need not survive a power failure, because
// it can be made again.
func replaceFile(dir, name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(dir, "."+name+".*.tmp")
	if err != nil {
		return err
	}
	err = write(f)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// nameFiles makes file names from the names of metrics and parameters; no two are the same,
// even if case is ignored.
func nameFiles(all []*figure) {
	taken := map[string]bool{}
	for _, f := range all {
		name := fileName(f.file)
		unique := name
		for n := 2; taken[strings.ToLower(unique)]; n++ {
			unique = name + "-" + strconv.Itoa(n)
		}
		taken[strings.ToLower(unique)] = true
		f.file = unique
	}
}

func fileName(text string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-=+", r) {
			return r
		}
		return '_'
	}, strings.ToValidUTF8(text, "_"))
	for len(name) > 120 {
		runes := []rune(name)
		name = string(runes[:len(runes)-1])
	}
	if name = strings.TrimLeft(name, ".-"); name == "" {
		return "figure"
	}
	return name
}
