package udpclock

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// A Key is what both sides of a session know, and nobody else is to.
type Key struct {
	secret  [keyLength]byte
	session uint64
}

const keyLength = 32

// NewKey makes one that nobody can guess.
func NewKey() *Key {
	var k Key
	_, _ = rand.Read(k.secret[:]) // it never fails
	k.name()
	return &k
}

// ParseKey reads what [Key.String] has written.
func ParseKey(text string) (*Key, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) != keyLength {
		return nil, errors.New("a key for probes of the clock is 32 bytes in base64")
	}
	k := Key{secret: [keyLength]byte(data)}
	k.name()
	return &k, nil
}

// String writes the key, in base64.
func (k *Key) String() string { return base64.StdEncoding.EncodeToString(k.secret[:]) }

// name finds the session's number, by which the other side finds the key.
func (k *Key) name() {
	sum := sha256.Sum256(k.secret[:])
	k.session = binary.BigEndian.Uint64(sum[:])
}

// sum signs the head of a datagram.
func (k *Key) sum(head []byte) [sumLength]byte {
	h := hmac.New(sha256.New, k.secret[:])
	_, _ = h.Write(head)
	return [sumLength]byte(h.Sum(nil))
}

// signed reports whether the key has signed a datagram.
func (k *Key) signed(datagram []byte) bool {
	sum := k.sum(datagram[:headLength])
	return hmac.Equal(sum[:], datagram[headLength:])
}
