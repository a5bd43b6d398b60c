package amqp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"downbeat/internal/queue"
)

// A target is where to connect to, and as whom.
type target struct {
	uri         amqp091.URI
	sasl        []amqp091.Authentication
	tls         *tls.Config // nil: plain TCP
	heartbeat   time.Duration
	dialTimeout time.Duration
}

// parameters are those that the URL can have after its '?'.
var parameters = []string{
	"cacertfile", "certfile", "keyfile", "server_name_indication",
	"auth_mechanism", "heartbeat", "connection_timeout", "channel_max",
}

const urlForm = "the form is amqp://USER:PASSWORD@HOST:PORT/VHOST, with special characters in USER, PASSWORD and VHOST written as %40 for @, %2F for /, and so on"

// Host is the host that the URL names, in lower case and without brackets.
func Host(rawURL string) (string, error) {
	uri, _, err := parseURI(rawURL)
	if err != nil {
		return "", err
	}
	return strings.ToLower(uri.Host), nil
}

// parseURI reads the URL. Errors of the parsers are not passed on, because they may quote parts
// of the password.
func parseURI(raw string) (amqp091.URI, url.Values, error) {
	bad := func(format string, args ...any) (amqp091.URI, url.Values, error) {
		return amqp091.URI{}, nil, fmt.Errorf("%w: %s", queue.ErrBadURL, fmt.Sprintf(format, args...))
	}
	u, err := url.Parse(raw)
	if err != nil {
		return bad("it can't be parsed; %s", urlForm)
	}
	if u.Fragment != "" || u.RawFragment != "" || strings.Contains(u.Path, "@") || strings.Contains(u.RawQuery, "@") {
		return bad("there is a '#', '/' or '?' before an '@'; %s", urlForm)
	}
	for name := range u.Query() {
		if !slices.Contains(parameters, name) {
			return bad("unknown parameter %.40q; the parameters are %s", name, strings.Join(parameters, ", "))
		}
	}
	uri, err := amqp091.ParseURI(raw)
	if err != nil {
		return bad("host, port or a parameter is malformed; %s", urlForm)
	}
	if uri.Port < 1 || uri.Port > 65535 {
		return bad("port %d is not within 1 to 65535", uri.Port)
	}
	return uri, u.Query(), nil
}

func parseTarget(raw string) (*target, error) {
	uri, query, err := parseURI(raw)
	if err != nil {
		return nil, err
	}
	t := &target{uri: uri, heartbeat: heartbeat, dialTimeout: dialTimeout}
	if uri.ConnectionTimeout > 0 {
		t.dialTimeout = time.Duration(uri.ConnectionTimeout) * time.Millisecond
	}
	if err := t.setHeartbeat(query); err != nil {
		return nil, err
	}
	if t.sasl, err = authentication(uri); err != nil {
		return nil, fmt.Errorf("%w: %w", queue.ErrBadURL, err)
	}
	if uri.Scheme == "amqps" {
		if t.tls, err = tlsConfig(uri); err != nil {
			return nil, fmt.Errorf("%w: %w", queue.ErrBadURL, err)
		}
	} else if uri.CACertFile+uri.CertFile+uri.KeyFile != "" {
		return nil, fmt.Errorf("%w: certificates are for amqps://, but it begins with amqp://", queue.ErrBadURL)
	}
	return t, nil
}

// setHeartbeat reads the URL's heartbeat, which the library does not export.
func (t *target) setHeartbeat(parameters url.Values) error {
	if !parameters.Has("heartbeat") {
		return nil
	}
	seconds, err := strconv.Atoi(parameters.Get("heartbeat"))
	if err != nil || seconds < 1 || seconds > 600 {
		return fmt.Errorf("%w: heartbeat must be 1 to 600 seconds: without one a dead connection goes unnoticed", queue.ErrBadURL)
	}
	t.heartbeat = time.Duration(seconds) * time.Second
	return nil
}

// authentication is how to log in: by name and password, unless the URL says
// otherwise. "external" is by the client certificate.
func authentication(uri amqp091.URI) ([]amqp091.Authentication, error) {
	if len(uri.AuthMechanism) == 0 {
		return []amqp091.Authentication{uri.PlainAuth()}, nil
	}
	var all []amqp091.Authentication
	for _, name := range uri.AuthMechanism {
		switch strings.ToLower(name) {
		case "plain":
			all = append(all, uri.PlainAuth())
		case "amqplain":
			all = append(all, uri.AMQPlainAuth())
		case "external":
			all = append(all, &amqp091.ExternalAuth{})
		default:
			return nil, fmt.Errorf("auth_mechanism is %.20q, but must be plain, amqplain or external", name)
		}
	}
	return all, nil
}

func tlsConfig(uri amqp091.URI) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: uri.ServerName}
	if config.ServerName == "" {
		config.ServerName = uri.Host
	}
	if uri.CACertFile != "" {
		data, err := os.ReadFile(uri.CACertFile)
		if err != nil {
			return nil, fmt.Errorf("cacertfile: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("cacertfile: %s holds no certificate in PEM form", uri.CACertFile)
		}
	}
	if (uri.CertFile == "") != (uri.KeyFile == "") {
		return nil, errors.New("certfile and keyfile go together, but only one is given")
	}
	if uri.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(uri.CertFile, uri.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("certfile and keyfile: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// address is host:port.
func (t *target) address() string {
	return net.JoinHostPort(t.uri.Host, strconv.Itoa(t.uri.Port))
}

// String is the target without the password, for logs.
func (t *target) String() string {
	u := url.URL{Scheme: t.uri.Scheme, User: url.User(t.uri.Username), Host: t.address(), Path: "/"}
	if t.uri.Vhost != "/" {
		u.Path, u.RawPath = "/"+t.uri.Vhost, "/"+url.PathEscape(t.uri.Vhost)
	}
	return u.String()
}
