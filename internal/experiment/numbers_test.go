package experiment

import (
	"strings"
	"testing"
)

// TestNumbersAreNumbers: whether a parameter is whole makes no difference to
// templates, and what does not fit is an error instead of Go's marks.
func TestNumbersAreNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct{ values, template, want string }{
		{"1.0", `{{printf "%.1f" .v}}`, "1.0"},
		{"0.5, 1", `{{printf "%.2f %g" .v .v}}`, "0.50 0.5|1.00 1"},
		{"2.0", `{{printf "%d" .v}}`, "2"},
		{"2.0", `{{printf "%03d %x %v %s %5.1f|" .v .v .v .v .v}}`, "002 2 2 2   2.0|"},
		{"1e3", `{{.v}}`, "1000"},
		{"1e-5", `{{printf "%.6f" .v}}`, "0.000010"},
		{"3", `{{printf "%[1]d-%[1]d" .v}}`, "3-3"},
		{"x", `{{printf "%s %q %v" .v .v .v}}`, `x "x" x`},
		{"true", `{{printf "%t %v" .v .v}}`, "true true"},
		{"100", `{{printf "%d%%" .v}}`, "100%"},
		{"'%!d'", `{{printf "%s" .v}}`, "%!d"},
		{"0.5, 20, 9.99", `{{if lt .v 10}}low{{else}}high{{end}}`, "low|high|low"},
		{"0.5, 20", `{{ge .v 20.0}} {{le 0.5 .v}} {{gt .v 0.5}}`, "false true false|true true true"},
		{"1, 1.5", `{{eq .v 1.0}} {{ne .v 1.5}} {{eq .v 3 1.5}}`, "true true false|false false true"},
		{"1, auto", `{{if eq .v "auto"}}a{{else}}n{{end}}`, "n|a"},
		{"true, fast", `{{eq .v true}}`, "true|false"},
		{"b", `{{lt .v "c"}} {{eq .host "a"}} {{eq (host "a") "a"}}`, "true true true"},
		{"0.5, 1", `{{add .v 1}} {{sub 2 .v}} {{mul .v 2 3}}`, "1.5 1.5 3|2 1 6"},
		{"7", `{{div .v 2}} {{mod .v 2.0}} {{add .v 9007199254740993}}`, "3 1 9007199254741000"},
		{"2", `{{index $ "v"}} {{index . "v"}} {{index (endpoints "g" 70) 0.0}}`, "2 2 a:70"},
		{"2.0", `{{range seq .v}}-{{.}}{{end}}`, "-1-2"},
	}
	for _, tt := range tests {
		f, err := Parse("x.yaml", []byte("hosts: {a: }\nmatrix: {v: ["+tt.values+"]}\ngroups: {g: {on: a, run: [x, '"+strings.ReplaceAll(tt.template, "'", "''")+"']}}\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.template, err)
			continue
		}
		var got []string
		for _, p := range f.Points() {
			d, err := p.Expand(trial)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Processes[0].Argv[1])
		}
		if all := strings.Join(got, "|"); all != tt.want {
			t.Errorf("%s with %s: got %s, want %s", tt.template, tt.values, all, tt.want)
		}
	}
}

// TestGarbageIsAnError: what has no text a person would want is refused.
func TestGarbageIsAnError(t *testing.T) {
	t.Parallel()
	tests := []struct{ template, want string }{
		{`{{printf "%d" .v}}`, "%!d(float64=1.5)"},
		{`{{printf "%d" "x"}}`, "%!d(string=x)"},
		{`{{printf "%d"}}`, "%!d(MISSING)"},
		{`{{printf "%d" 1 2}}`, "%!(EXTRA"},
		{`{{printf "%y" 1}}`, "%!y(int=1)"},
		{`{{printf "%"}}`, "%!(NOVERB)"},
		{`{{printf "%t" 1}}`, "%!t(int=1)"},
		{`{{printf "%s" (hosts "g")}}`, "not a list"},
		{`{{printf "%v" .}}`, "not a map"},
		{`{{index . "typo"}}`, "unknown template key .typo"},
		{`{{index $ "vv"}}`, "did you mean .v?"},
		{`{{$k := "typo"}}{{index . $k}}`, "there is no .typo here"},
		{`{{with .host}}{{index $ "typo"}}{{end}}`, "unknown template key .typo"},
		{`{{index (host "a") "port"}}`, "a host has no"},
		{`{{index (hosts "g") 1}}`, "no entry 1 in a list of 1"},
		{`{{index (hosts "g") "a"}}`, "indexed by a whole number, not by the string"},
		{`{{index (hosts "g") 0.5}}`, "indexed by a whole number, not by 0.5"},
		{`{{printf "%*d" 5 1}}`, "does not take * for a width"},
		{`{{printf "%5000d" 1}}`, "a width of at most 999"},
		{`{{index .v 0}}`, "index takes a list or a map"},
		{`{{.}}`, "a map can't be printed"},
		{`{{hosts "g"}}`, "a list can't be printed"},
		{`{{addresses "g" | print}}`, "a list can't be printed"},
		{`{{quote (addresses "g")}}`, "a list can't be printed"},
		{`{{lt .v "a"}}`, "lt compares two numbers or two strings, not 1.5 and the string"},
		{`{{eq (hosts "g") 1}}`, "eq compares single values"},
		{`{{add .v "1"}}`, "add takes numbers"},
		{`{{div .v 2}}`, "div takes whole numbers, not 1.5"},
		{`{{div 1 0}}`, "division by zero"},
		{`{{mod 1 0.0}}`, "division by zero"},
		{`{{range seq .v}}{{end}}`, "1.5"},
	}
	for _, tt := range tests {
		_, err := Parse("x.yaml", []byte("hosts: {a: }\nmatrix: {v: [1.5]}\ngroups: {g: {on: a, run: [x, '{{.v}}', '"+strings.ReplaceAll(tt.template, "'", "''")+"']}}\n"))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", tt.template, err, tt.want)
		}
	}
}

// TestParameterThatThisCombinationLacks is empty by index, so that one template
// serves all combinations.
func TestParameterThatThisCombinationLacks(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", `
hosts: {a: }
matrix: {m: [1, 2], include: [{m: 2, extra: -z}]}
groups: {g: {on: a, run: ['{{.m}}', '{{with index $ "extra"}}{{.}}{{end}}', '{{index . "extra"}}']}}
`)
	for i, want := range []string{"1||", "2|-z|-z"} {
		d, err := f.Points()[i].Expand(trial)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.Processes[0].Argv, "|"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestNumbersOfTheFile: a number means the same however it is written, and one
// that would be shown otherwise than it is written is refused.
func TestNumbersOfTheFile(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", "hosts: {a: }\nrepeat: 2.0\nretries: 1e1\ngroups: {g: {on: a, count: 3.0, run: x}}")
	if d, err := f.Points()[0].Expand(trial); err != nil || f.Repeat != 2 || f.Retries != 10 || len(d.Processes) != 3 {
		t.Errorf("got repeat %d, retries %d, %+v, %v", f.Repeat, f.Retries, d, err)
	}
	for value, want := range map[string]string{
		"0644": "octal or as decimal", "-01": "octal or as decimal", "12345678901234567890123": "more digits than", "1e400": "is not a number",
		".inf": "is not a number", ".nan": "is not a number", "0x1F": "is not a number",
	} {
		_, err := Parse("x.yaml", []byte("hosts: {a: ['x {{.v}}']}\nmatrix: {v: ["+value+"]}"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", value, err, want)
		}
	}
}

// TestBadMatrixBringsNoSecondError: templates that use the parameters of a
// matrix that is wrong are not said to be wrong, too.
func TestBadMatrixBringsNoSecondError(t *testing.T) {
	t.Parallel()
	for _, matrix := range []string{
		"{v: [[1]], w: [1]}", "{v: [{a: b}], w: [1]}", "{v: [null], w: [1]}", "{v: [], w: [1]}", "{v: 1, w: [1]}", "{v: ['{{.w}}'], w: [1]}",
		"{v: [1, 1], w: [1]}", "{v: [0644], w: [1]}", "{w: [1], v: [1], exclude: 3}", "{w: [1], exclude: [{x: 1}], v: [1]}",
		"{w: [1], include: [{v: [1]}]}", "[v, w]", "v", "{v: [1], w: [1], w: [2]}", "{v: [1], w: [1], index: [1]}",
	} {
		_, err := Parse("x.yaml", []byte("hosts: {a: ['x {{.v}} {{.w}} {{if lt .v 10}}y{{end}}']}\nmatrix: "+matrix))
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one error", matrix, err)
		}
	}
}

// TestWarnsOfWhatOnlyAShellExpands: a command line, a variable or a directory
// that looks as if a shell were to read it is warned of.
func TestWarnsOfWhatOnlyAShellExpands(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "x.yaml", `
hosts: {a: ['ls $HOME', [ls, $HOME], {run: 'ls *', shell: true}, {run: "ls '*'"}, {run: x, env: {PATH: '/opt:$PATH', PRICE: '5$', CONF: ~/c}, dir: ~/x}]}
setup: rm -f *.log
`)
	var got []string
	for _, w := range f.Warnings {
		got = append(got, w.Field+" "+w.Message[:strings.Index(w.Message, " is passed")])
	}
	want := `hosts.a[0] "$HOME"|hosts.a[4].env.PATH "$PATH"|hosts.a[4].env.CONF "~/c"|hosts.a[4].dir "~/x"|setup "*.log"`
	if all := strings.Join(got, "|"); all != want {
		t.Errorf("got %s, want %s", all, want)
	}
}
