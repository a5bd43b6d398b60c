package report

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"
)

// The parts of the page. The scripts are one module when they are written: they see
// one another's functions, and nothing else does.
//
//go:embed page
var parts embed.FS

var scripts = []string{
	"dom.js", "format.js", "data.js", "state.js", "table.js", "timeline.js", "course.js", "usage.js", "strips.js", "log.js", "run.js", "main.js",
}

// mostPage is the limit of the size of the page, in bytes.
const mostPage = 9_800_000

var (
	pageTemplate = template.Must(template.ParseFS(parts, "page/page.html"))
	styleSheet   = mustRead("page.css")
	script       = readScripts()
	// policy lets the page run its own script and load nothing at all.
	policy = fmt.Sprintf("default-src 'none'; script-src '%s'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'", hash(script))
)

func mustRead(name string) string {
	data, err := parts.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(data)
}

func readScripts() string {
	var all strings.Builder
	for _, name := range scripts {
		all.WriteString("\n" + mustRead(name))
	}
	return all.String()
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page is the data of the template.
type page struct {
	overview
	Policy                 string
	Style                  template.CSS
	Name, File, Began, Dir string
	Written                string
	Figures                []pageFigure
	Combinations           []combination
	Outliers               bool // some combination has some
	Goal                   *progressOfGoal
	Index, Script          template.JS
}

type pageFigure struct {
	Title, Caption, File, X, Middle string
	SVG                             template.HTML
	Labelled                        bool
	Values                          []pageValue
}

type pageValue struct {
	Label, X, Low, Mid, High string
	N                        int
}

// writePage writes the page, with as much of the outputs as there is room for.
func (r *Report) writePage(figures []drawing) error {
	sorted := r.sorted()
	superseded := supersede(sorted)
	now := r.options.Now().UTC()
	data, err := json.Marshal(newIndex(now, sorted, superseded))
	if err != nil {
		return err
	}
	p := page{
		Policy: policy, Style: template.CSS(styleSheet), Script: template.JS(script), Index: template.JS(data),
		Name: printable(r.meta.Name), File: printable(r.meta.File), Dir: printable(r.dir),
		Began: r.meta.Time.UTC().Format(time.RFC3339), Written: now.Format(time.RFC3339),
	}
	room := mostPage - len(script) - len(styleSheet) - len(data)
	for _, d := range figures {
		f := d.forPage()
		room -= len(f.SVG) + 200*len(f.Values)
		p.Figures = append(p.Figures, f)
	}
	summaries := r.summarize(sorted)
	p.Goal = r.towards(summaries)
	for _, s := range summaries {
		c := newCombination(s)
		p.Combinations = append(p.Combinations, c)
		room -= len(c.Parameters) + len(c.Metric) + 300
		p.Outliers = p.Outliers || c.Outliers > 0
	}
	if err := r.fit(room, sorted); err != nil {
		return err
	}
	p.overview = r.overview(sorted, superseded, summaries)
	return replaceFile(r.dir, PageFile, func(w io.Writer) error { return writePage(w, p, sorted) })
}

// fit lowers how much is kept of the outputs, by a quarter each time, until all runs fit.
func (r *Report) fit(room int, sorted []*run) error {
	const perRun = 900 // its square and the elements around its blobs
	if err := fitUsage(sorted, mostUsage); err != nil {
		return err
	}
	for {
		size := 0
		for _, run := range sorted {
			size += len(run.detail) + len(run.logs) + len(run.usage) + perRun
		}
		if size <= room || r.limit == 0 {
			return nil
		}
		if r.limit = r.limit / 4 * 3; r.limit < leastOutput {
			r.limit = 1 // nothing: no line has less than its newline
		}
		for _, run := range sorted {
			if !run.complete {
				continue
			}
			if err := run.shorten(r.limit); err != nil {
				return err
			}
		}
		if r.limit == 1 {
			return nil
		}
	}
}

func writePage(w io.Writer, p page, sorted []*run) error {
	b := bufio.NewWriterSize(w, 1<<16)
	if err := pageTemplate.ExecuteTemplate(b, "begin", p); err != nil {
		return err
	}
	for n, run := range sorted {
		writeBlob(b, "detail", n+1, run.detail)
		writeBlob(b, "log", n+1, run.logs)
		writeBlob(b, "usage", n+1, run.usage)
	}
	if err := pageTemplate.ExecuteTemplate(b, "end", p); err != nil {
		return err
	}
	return b.Flush()
}

// writeBlob writes an element that browsers keep without parsing its content.
func writeBlob(w *bufio.Writer, kind string, n int, b blob) {
	if b == "" {
		return
	}
	fmt.Fprintf(w, "<script type=\"text/plain\" id=\"%s-%d\">%s</script>\n", kind, n, b)
}

// forPage returns a figure for the page: the picture, and a table of its values.
func (d drawing) forPage() pageFigure {
	f := pageFigure{
		Title: printable(d.title), Caption: printable(strings.Join(d.caption, " ")), File: FiguresDir + "/" + d.file + ".svg",
		X: printable(d.x.plainText()), Middle: "median", SVG: d.inline(), Labelled: len(d.traces) > 1 || d.traces[0].label != "",
	}
	if d.plain {
		f.Middle = printable(d.y.plainText())
	}
	for _, t := range d.traces {
		for _, p := range t.points {
			x := number(p.x)
			if d.x.categories != nil {
				x = d.x.categories[int(p.x)]
			}
			f.Values = append(f.Values, pageValue{
				Label: printable(t.label), X: printable(x), Low: digits(p.low), Mid: digits(p.mid), High: digits(p.high), N: p.n,
			})
		}
	}
	return f
}

// digits formats a number with the digits that a measurement has.
func digits(v float64) string {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	return number(v)
}
