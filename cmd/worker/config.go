package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kelseyhightower/envconfig"

	"downbeat/internal/message"
	"downbeat/internal/queue/dial"
	"downbeat/internal/settings"
	"downbeat/internal/udpclock"
)

// A config is a checked environment.
type config struct {
	settings.Worker
	trust message.Trust
	// open: unsigned jobs are accepted, because the broker is on loopback.
	open bool
	// warnings are for the log.
	warnings []string
	// exposed is the error if the worker could not be hidden from other programs.
	exposed error
}

// configure reads and checks the environment. It reports all mistakes at once.
func configure() (*config, error) {
	var c config
	if err := envconfig.Process("downbeat", &c.Worker); err != nil {
		if parse, ok := errors.AsType[*envconfig.ParseError](err); ok {
			return nil, fmt.Errorf("%s=%q: %w (see worker --help)", parse.KeyName, parse.Value, parse.Err)
		}
		return nil, err
	}
	misspelt, warnings := settings.Unknown("worker", &c.Worker, os.Environ())
	c.warnings = warnings
	errs := append(misspelt, c.checkHosts(), c.readQueueURL(), c.checkRest(), c.findStateDir())
	return &c, errors.Join(errs...)
}

// maxHosts bounds the names of one worker: each may use two channels of the
// connection, and RabbitMQ allows 2,047.
const maxHosts = 1000

func (c *config) checkHosts() error {
	if len(c.Host) == 0 {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the host's name: %w (set DOWNBEAT_HOST)", err)
		}
		c.Host = []string{name}
	}
	var errs []error
	if len(c.Host) > maxHosts {
		errs = append(errs, fmt.Errorf("DOWNBEAT_HOST has %d names, at most %d are possible: start another worker for the rest, with a state directory of its own", len(c.Host), maxHosts))
	}
	before := make(map[string]string, len(c.Host))
	for i, name := range c.Host {
		name = strings.TrimSpace(name)
		c.Host[i] = name
		if err := message.CheckName(name); err != nil {
			errs = append(errs, fmt.Errorf("DOWNBEAT_HOST: %w", err))
			continue
		}
		folded := strings.ToLower(name)
		switch other, ok := before[folded]; {
		case ok && other == name:
			errs = append(errs, fmt.Errorf("DOWNBEAT_HOST names %s twice", name))
		case ok:
			errs = append(errs, fmt.Errorf("DOWNBEAT_HOST names %s and %s, which differ in case alone: people would confuse them, and some file systems can't tell them apart", other, name))
		}
		before[folded] = name
	}
	return errors.Join(errs...)
}

// readQueueURL reads the URL from its file, if there is one, and checks it.
func (c *config) readQueueURL() error {
	if c.QueueURLFile == "" {
		return c.checkQueue()
	}
	if c.QueueURL != "" {
		return errors.New("DOWNBEAT_QUEUE_URL and DOWNBEAT_QUEUE_URL_FILE are both set: unset one of them")
	}
	url, err := settings.ReadURL(c.QueueURLFile)
	if err != nil {
		return fmt.Errorf("DOWNBEAT_QUEUE_URL_FILE: %w", err)
	}
	c.QueueURL = url
	return c.checkQueue()
}

// checkQueue checks the URL, and whose jobs are accepted from there. Like a database
// in protected mode, a worker that takes jobs from anybody on the network must not
// start by accident.
func (c *config) checkQueue() error {
	if c.QueueURL == "" {
		hint := ""
		if os.Getenv("DOWNBEAT_QUEUE") != "" || os.Getenv("DOWNBEAT_QUEUE_FILE") != "" {
			hint = "; DOWNBEAT_QUEUE and DOWNBEAT_QUEUE_FILE are read by publish alone"
		}
		return fmt.Errorf("DOWNBEAT_QUEUE_URL is not set: it names the queue to serve, such as amqp://guest:guest@localhost/ (see worker --help)%s", hint)
	}
	loopback, err := dial.IsLoopback(c.QueueURL)
	if err != nil {
		return fmt.Errorf("DOWNBEAT_QUEUE_URL: %w", err)
	}
	if strings.HasPrefix(c.QueueURL, "mem:") {
		return errors.New("DOWNBEAT_QUEUE_URL: mem: is the queue inside publish; a worker needs one that it shares with a publisher, such as amqp://guest:guest@localhost/")
	}
	if c.TrustedKeys != "" {
		keys, err := message.ReadPublicKeys(c.TrustedKeys)
		if err != nil {
			return fmt.Errorf("DOWNBEAT_TRUSTED_KEYS: %w", err)
		}
		c.trust = message.Trust{Keys: keys}
		return nil
	}
	c.open = loopback || c.AllowUnsigned
	c.trust = message.Trust{Unsigned: c.open}
	if !c.open {
		return errors.New("the queue is not on this machine, and no keys are trusted: anybody who can reach the queue could run commands here. " +
			"Make a key pair with `publish keygen DIR`, publish with --key, and name the public key's file in DOWNBEAT_TRUSTED_KEYS. " +
			"If only people you trust can reach the queue, DOWNBEAT_ALLOW_UNSIGNED=true accepts jobs without a signature")
	}
	return nil
}

// shortestLease bounds the rate of heartbeats, ten to a lease.
const shortestLease = time.Second

func (c *config) checkRest() error {
	var errs []error
	if err := message.CheckNamespace(c.Namespace); err != nil {
		errs = append(errs, fmt.Errorf("DOWNBEAT_NAMESPACE: %w", err))
	}
	if c.Lease < shortestLease {
		errs = append(errs, fmt.Errorf("DOWNBEAT_LEASE=%s: it must be at least %s", c.Lease, shortestLease))
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		errs = append(errs, fmt.Errorf("DOWNBEAT_LOG_FORMAT=%q: it is text or json", c.LogFormat))
	}
	if err := udpclock.CheckAddress(c.ClockAddr); err != nil {
		errs = append(errs, fmt.Errorf("DOWNBEAT_CLOCK_ADDR=%q: %w: it is an address with a port, such as :7171, or off", c.ClockAddr, err))
	}
	return errors.Join(errs...)
}

// findStateDir picks the state directory: the one that is set, else systemd's, else
// the user's by the XDG base directory rules.
func (c *config) findStateDir() error {
	if c.StateDir == "" {
		c.StateDir = strings.Split(os.Getenv("STATE_DIRECTORY"), ":")[0]
	}
	if c.StateDir == "" {
		base := os.Getenv("XDG_STATE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return fmt.Errorf("find a directory for the journal: %w (set DOWNBEAT_STATE_DIR)", err)
			}
			base = filepath.Join(home, ".local", "state")
		}
		c.StateDir = filepath.Join(base, "downbeat")
	}
	dir, err := filepath.Abs(c.StateDir)
	if err != nil {
		return fmt.Errorf("DOWNBEAT_STATE_DIR: %w", err)
	}
	c.StateDir = dir
	return nil
}

const helpHead = `worker takes this host's jobs from the queue and runs them. It is configured by
the environment:

`

const helpTail = `
Flags:
  --check    check configuration and connection, and exit
  --version  print the version, and exit
  --help     print this

worker sync is for the processes of a run: see worker sync --help.

SIGTERM stops the current run, leaves no process behind, and ends the worker with
status 0. A worker that loses the queue keeps trying to reach it.
`

func printHelp(w io.Writer) {
	fmt.Fprint(w, helpHead)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range settings.Variables(&settings.Worker{}) {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", v.Keys()[0], v.Unset, v.About)
	}
	_ = table.Flush()
	fmt.Fprint(w, helpTail)
}

// shown lists the names for a connection or a status line: all, or the first ones and
// how many more there are.
func shown(names []string) string {
	const room = 100
	size := 0
	for i, name := range names {
		if size += len(name) + 2; size > room && i > 0 {
			return fmt.Sprintf("%s and %d more", strings.Join(names[:i], ", "), len(names)-i)
		}
	}
	return strings.Join(names, ", ")
}
