package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"downbeat/internal/message"
)

// Definition is a hash of all that a run of this point does, the same for every
// run. Runs with different definitions measured different things. It fails
// where Expand does.
func (p Point) Definition() (string, error) {
	p.Attempt = 1
	d, err := p.Expand(trialRun)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(define(d))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// These types are what a definition is the hash of. They have a form of their own, so
// that a datapoint keeps its definition, and an experiment can be resumed, whatever becomes
// of the types that the program works with. A new field is left out where it is zero.
type (
	definition struct {
		Name       string
		Index      int // 0: the point may have moved
		Repetition int
		Parameters []Parameter
		Run        string
		Hosts      []Host
		Processes  []definedProcess
		Setup      []definedStep `json:",omitempty"`
		Teardown   []definedStep `json:",omitempty"`
		Acts       []definedStep `json:",omitempty"`
		Beats      []Beat        `json:",omitempty"` // if there are several
		Actions    []Action      `json:",omitempty"` // without their texts
		Stop       StopRule
		Timeout    time.Duration
		Collect    map[string][]string      `json:",omitempty"`
		Files      map[string][]ShippedFile `json:",omitempty"`
		Sample     time.Duration            `json:",omitempty"`
	}
	definedProcess struct {
		Host    string
		Name    string            `json:"name"`
		Group   string            `json:"group,omitempty"`
		Index   int               `json:"index"`
		Rank    int               `json:"rank"`
		Local   int               `json:"local"`
		Argv    []string          `json:"argv"`
		Env     map[string]string `json:"env,omitempty"`
		Dir     string            `json:"dir,omitempty"`
		DelayMS int64             `json:"delay_ms,omitempty"`
		Pty     bool              `json:"pty,omitempty"`
		OKExit  []int
		Beat    int                  `json:",omitempty"`
		Ready   *message.Readiness   `json:",omitempty"`
		Restart *message.Restart     `json:",omitempty"`
		Stop    *message.CommandStop `json:",omitempty"`
	}
	definedStep struct {
		Host      string
		Name      string            `json:"name"`
		Argv      []string          `json:"argv"`
		Env       map[string]string `json:"env,omitempty"`
		Dir       string            `json:"dir,omitempty"`
		Pty       bool              `json:"pty,omitempty"`
		OKExit    []int             `json:"ok_exit"`
		TimeoutMS int64             `json:"timeout_ms"`
	}
)

func define(d *Datapoint) definition {
	def := definition{
		Name: d.Name, Repetition: d.Repetition, Parameters: d.Parameters, Run: d.Run, Hosts: d.Hosts,
		Setup: defineSteps(d.Setup), Teardown: defineSteps(d.Teardown), Acts: defineSteps(d.Acts), Actions: slices.Clone(d.Actions),
		Stop: d.Stop, Timeout: d.Timeout, Collect: d.Collect, Files: d.Files, Sample: d.Sample,
	}
	if len(d.Beats) > 1 {
		def.Beats = d.Beats
	}
	for i := range def.Actions {
		def.Actions[i].Text = ""
	}
	for _, c := range d.Processes {
		def.Processes = append(def.Processes, definedProcess{
			Host: c.Host, Name: c.Name, Group: c.Group, Index: c.Index, Rank: c.Rank, Local: c.Local,
			Argv: c.Argv, Env: c.Env, Dir: c.Dir, DelayMS: c.DelayMS, Pty: c.Pty, OKExit: c.OKExit,
			Beat: c.Beat, Ready: c.Ready, Restart: c.Restart, Stop: c.Stop,
		})
	}
	return def
}

func defineSteps(commands []Command) []definedStep {
	var steps []definedStep
	for _, c := range commands {
		steps = append(steps, definedStep{
			Host: c.Host, Name: c.Name, Argv: c.Argv, Env: c.Env, Dir: c.Dir, Pty: c.Pty, OKExit: c.OKExit, TimeoutMS: c.TimeoutMS,
		})
	}
	return steps
}
