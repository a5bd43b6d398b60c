package message

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"downbeat/internal/trustedpath"
)

// The files that a key pair is kept in.
const (
	PrivateKeyFile = "downbeat.key"
	PublicKeyFile  = "downbeat.pub"
)

// publicPrefix begins each line of a file of public keys.
const publicPrefix = "ed25519"

// KeyID is the short name of a public key: its first 8 bytes in hexadecimal.
func KeyID(key ed25519.PublicKey) string { return hex.EncodeToString(key[:8]) }

// GenerateKey makes a key pair in dir, which it creates if need be: the private
// key readable by its owner alone (PKCS #8 in PEM), the public key as one line.
// It never overwrites a key, and returns the line.
func GenerateKey(dir, comment string) (string, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encode the key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the key's directory: %w", err)
	}
	if err := trustedpath.CheckDir(dir); err != nil {
		return "", fmt.Errorf("the key's directory: %w", err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := writeNew(filepath.Join(dir, PrivateKeyFile), private, 0o600); err != nil {
		return "", err
	}
	line := strings.TrimSpace(publicLine(pub) + " " + comment)
	return line, writeNew(filepath.Join(dir, PublicKeyFile), []byte(line+"\n"), 0o644)
}

// publicLine is the line of a public key, without a comment.
func publicLine(key ed25519.PublicKey) string {
	return publicPrefix + " " + base64.StdEncoding.EncodeToString(key)
}

func writeNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already and is not overwritten: choose another directory, or move it away if you mean to replace it on every worker", path)
	}
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ReadPrivateKey reads a key that [GenerateKey] wrote. It refuses one that
// others than its owner can read, or could have put there: see [trustedpath].
func ReadPrivateKey(path string) (ed25519.PrivateKey, error) {
	data, err := trustedpath.ReadSecret(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the signing key: %w (make one with `publish keygen DIR`)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not a private key in PEM form (the file that keygen calls %s)", path, PrivateKeyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the signing key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is a %T, not an ed25519 key: make one with `publish keygen DIR`", path, parsed)
	}
	return key, nil
}

// ReadPublicKeys reads a file of public keys, one a line as `publish keygen`
// prints it; empty lines and those that begin with # are passed over. It refuses a
// file that others could have written: see [trustedpath].
func ReadPublicKeys(path string) ([]ed25519.PublicKey, error) {
	data, err := trustedpath.Read(path)
	if err != nil {
		return nil, fmt.Errorf("read the trusted keys: %w", err)
	}
	var keys []ed25519.PublicKey
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := ParsePublicKey(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key: put the line into it that `publish keygen` printed (file %s)", path, PublicKeyFile)
	}
	return keys, nil
}

// ParsePublicKey reads one line: "ed25519", the key in base64, any comment.
func ParsePublicKey(line string) (ed25519.PublicKey, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 || fields[0] != publicPrefix {
		return nil, fmt.Errorf("no public key: a line is %q, the key in base64, and a comment", publicPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("no public key: %.60q is not base64 of %d bytes", fields[1], ed25519.PublicKeySize)
	}
	return key, nil
}
