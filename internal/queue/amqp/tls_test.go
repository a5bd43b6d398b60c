package amqp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"downbeat/internal/queue"
	"downbeat/internal/queue/amqp/rabbittest"
	"downbeat/internal/testkit"
)

// An authority signs certificates for one test and keeps them in files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.issue("ca", template)
	return a
}

// issue makes a certificate and returns the files of it and its key. The first
// one signs itself, and the others.
func (a *authority) issue(name string, template *x509.Certificate) (certFile, keyFile string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a.cert, a.key = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	must(a.t, err)
	if a.cert == template {
		a.cert, err = x509.ParseCertificate(der)
		must(a.t, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(a.t, err)
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "EC PRIVATE KEY", keyDER)
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	must(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// terminate puts TLS, with client certificates demanded, before the broker.
func (a *authority) terminate(broker string) (address string) {
	certFile, keyFile := a.issue("server", &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"broker.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	must(a.t, err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	return server(a.t, func(raw net.Conn) {
		client := tls.Server(raw, config)
		if client.HandshakeContext(a.t.Context()) != nil {
			return
		}
		upstream, err := (&net.Dialer{}).DialContext(a.t.Context(), "tcp", broker)
		if err != nil {
			return
		}
		done := make(chan struct{})
		go func() {
			_, _ = io.Copy(upstream, client)
			_ = upstream.Close()
			close(done)
		}()
		_, _ = io.Copy(client, upstream)
		_ = client.Close()
		<-done
	})
}

// amqps:// takes authority and client certificate from the URL, and checks whom
// it talks to.
func TestTLS(t *testing.T) {
	t.Parallel()
	plain, err := url.Parse(rabbittest.URL(t))
	must(t, err)
	ours := newAuthority(t)
	address := ours.terminate(plain.Host)
	certFile, keyFile := ours.issue("client", &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	at := func(parameters url.Values) string {
		u := *plain
		u.Scheme, u.Host, u.RawQuery = "amqps", address, parameters.Encode()
		return u.String()
	}
	ca := filepath.Join(ours.dir, "ca.pem")
	whole := url.Values{"cacertfile": {ca}, "certfile": {certFile}, "keyfile": {keyFile}}

	b := closing(t, open(t, at(whole)))
	q := declared(t, b, rabbittest.URL(t), queue.Spec{})
	c, err := b.Consume(t.Context(), q, 1)
	must(t, err)
	must(t, b.Publish(t.Context(), q, queue.Message{Body: make([]byte, 1<<20)}))
	d, err := c.Receive(testkit.Context(t))
	must(t, err)
	if len(d.Body) != 1<<20 {
		t.Errorf("a body of 1 MiB came with %d bytes", len(d.Body))
	}

	strange := newAuthority(t)
	refusal(t, at(url.Values{"cacertfile": {ca}}), queue.ErrUnreachable, "certfile")
	refusal(t, at(url.Values{"certfile": {certFile}, "keyfile": {keyFile}}), queue.ErrUnreachable, "cacertfile")
	refusal(t, at(url.Values{"cacertfile": {filepath.Join(strange.dir, "ca.pem")}}), queue.ErrUnreachable, "cacertfile")
	whole.Set("server_name_indication", "another.test")
	refusal(t, at(whole), queue.ErrUnreachable, "another.test")
	whole.Set("server_name_indication", "broker.test")
	must(t, open(t, at(whole)).Close())

	plain.User = url.UserPassword("guest", "hidden")
	refusal(t, at(whole), queue.ErrDenied, address, `"guest"`, "password")
	plain.User, plain.Path = url.UserPassword("guest", "guest"), "/nowhere"
	refusal(t, at(whole), queue.ErrDenied, `"nowhere"`)
}
