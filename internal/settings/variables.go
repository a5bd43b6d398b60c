package settings

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"
)

// Worker is the worker's configuration. Its tags, and those of [Publish], are the one source
// for the names of the variables, their defaults and the help: default is the value if a
// variable isn't set, unset says that in words, desc says what the variable is for.
// docs/configuration.md is checked against them.
type Worker struct {
	QueueURL      string        `split_words:"true" unset:"required" desc:"amqp://USER:PASSWORD@HOST/VHOST, amqps://... or sqs://REGION: the queue"`
	QueueURLFile  string        `split_words:"true" unset:"none" desc:"a file that holds that URL, and that only this user can read"`
	Host          []string      `unset:"the host's name" desc:"what experiment files call this host; several names, with commas, play several hosts"`
	Namespace     string        `default:"downbeat" desc:"prefix of all queues"`
	StateDir      string        `split_words:"true" unset:"the user's" desc:"journal, spool and run directories; else $STATE_DIRECTORY, else the user's state directory"`
	TrustedKeys   string        `split_words:"true" unset:"none" desc:"file of public keys, one a line: only jobs signed by one of them are run"`
	AllowUnsigned bool          `split_words:"true" default:"false" desc:"accept unsigned jobs from a broker that is not on loopback"`
	PassEnv       []string      `split_words:"true" unset:"none" desc:"variables that processes inherit although they begin with AWS_ or DOWNBEAT_, with commas"`
	Lease         time.Duration `default:"30s" desc:"stop a run when its publisher is silent for this long"`
	MetricsAddr   string        `split_words:"true" unset:"none" desc:"serve /metrics and /healthz on this address, such as 127.0.0.1:9100"`
	ClockAddr     string        `split_words:"true" default:":0" desc:"answer probes of this machine's clock by UDP on this address, such as :7171 (:0: any free port); off: only through the queue"`
	LogLevel      slog.Level    `split_words:"true" default:"info" desc:"debug, info, warn or error"`
	LogFormat     string        `split_words:"true" default:"text" desc:"text or json"`
}

// Publish are the flags that all commands of publish share, and their variables. A flag has the
// name of its variable, in lower case with hyphens, and wins over it. also is a second name of
// the variable; arg is the word in desc that stands for the value.
type Publish struct {
	Queue        string        `default:"mem:" also:"QUEUE_URL" arg:"URL" desc:"URL of the queue: amqp://..., amqps://..., sqs://REGION, or mem: for the embedded one (also $DOWNBEAT_QUEUE_URL)"`
	QueueFile    string        `split_words:"true" unset:"none" also:"QUEUE_URL_FILE" arg:"FILE" desc:"FILE that holds the queue's URL, so that nobody else sees its password (also $DOWNBEAT_QUEUE_URL_FILE)"`
	Namespace    string        `default:"downbeat" arg:"NAME" desc:"NAME that prefixes all queues"`
	Results      string        `default:"results" arg:"DIR" desc:"DIR to put results into"`
	Key          string        `unset:"none" arg:"FILE" desc:"FILE with the private key to sign with (see publish keygen)"`
	ReadyTimeout time.Duration `split_words:"true" default:"30s" desc:"how long a host may take to become ready"`
	Lease        time.Duration `default:"30s" desc:"how long to wait for a silent host, and how long workers wait for a silent publisher"`
	Retries      int           `default:"-1" unset:"the file's retries" arg:"N" desc:"try a datapoint that did not succeed again, up to N times (default: what the file says)"`
	FailFast     bool          `split_words:"true" default:"false" desc:"stop the experiment at the first datapoint that does not succeed"`
	KeepGoing    bool          `split_words:"true" default:"false" desc:"go on with the next datapoint after a failure (the default), even after the same refusal three times in a row"`
	MaxFailures  int           `split_words:"true" default:"0" unset:"0: never" arg:"N" desc:"stop the experiment after N datapoints that did not succeed (default: never)"`
	Only         []string      `unset:"all" arg:"PARAMETER=VALUE" desc:"run only the datapoints with PARAMETER=VALUE; with several, those that have one of the values of each parameter"`
	Datapoint    []string      `unset:"all" arg:"NUMBER" desc:"run only the datapoint with this NUMBER, as publish check lists them; a range such as 3-5 is several"`
	Repeat       int           `default:"0" unset:"the file's repeat" arg:"N" desc:"run each combination N times, whatever the file says (default: as often as it says)"`
	PassEnv      []string      `split_words:"true" unset:"none" arg:"NAMES" desc:"NAMES of variables that processes inherit, on the embedded queue, although they begin with AWS_ or DOWNBEAT_"`
	Quiet        bool          `default:"false" desc:"don't print the processes' lines; they are in the results"`
	NoProgress   bool          `split_words:"true" default:"false" desc:"no live line on the terminal"`
	Output       string        `default:"text" arg:"FORMAT" desc:"FORMAT of standard output: text or json"`
	ClockAddr    string        `split_words:"true" default:":0" arg:"ADDRESS" desc:"UDP ADDRESS to compare the hosts' clocks from, such as :7172 (:0: any free port); off: only through the queue"`
	LogLevel     string        `split_words:"true" default:"warn" arg:"LEVEL" desc:"LEVEL: debug, info, warn or error: how much to log on standard error"`
}

// A Variable is one environment variable, as described by the tags of its field.
type Variable struct {
	Name    string // without the prefix
	Also    string // its second name; empty if it has none
	Default string // in the form of the variable's value
	Unset   string // what happens if it isn't set, in words
	Arg     string
	About   string
	Value   any // points to the field
}

// Flag is the name of the variable's flag.
func (v Variable) Flag() string { return strings.ToLower(strings.ReplaceAll(v.Name, "_", "-")) }

// Keys are the names of the variable in the environment; the first that is set is used.
func (v Variable) Keys() []string {
	if v.Also == "" {
		return []string{Prefix + v.Name}
	}
	return []string{Prefix + v.Name, Prefix + v.Also}
}

// Variables are those of a [*Worker] or [*Publish], in the order of its fields. They
// have the names by which envconfig reads them.
func Variables(spec any) []Variable {
	var names bytes.Buffer
	if err := envconfig.Usagef(strings.TrimSuffix(Prefix, "_"), spec, &names, "{{range .}}{{usage_key .}}\n{{end}}"); err != nil {
		panic(err) // only for what is not a struct
	}
	fields := reflect.ValueOf(spec).Elem()
	variables := make([]Variable, fields.NumField())
	for i, key := range strings.Fields(names.String()) {
		tag := fields.Type().Field(i).Tag
		v := Variable{
			Name: strings.TrimPrefix(key, Prefix), Also: tag.Get("also"), Default: tag.Get("default"), Unset: tag.Get("unset"),
			Arg: tag.Get("arg"), About: tag.Get("desc"), Value: fields.Field(i).Addr().Interface(),
		}
		if v.Unset == "" {
			v.Unset = v.Default
		}
		variables[i] = v
	}
	return variables
}

// Names are the names of all variables of a [*Worker] or [*Publish], without the
// prefix.
func Names(spec any) []string {
	var names []string
	for _, v := range Variables(spec) {
		for _, key := range v.Keys() {
			names = append(names, strings.TrimPrefix(key, Prefix))
		}
	}
	return names
}
