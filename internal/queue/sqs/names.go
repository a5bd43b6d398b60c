package sqs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxName is how long SQS lets a queue's name be.
const maxName = 80

// remoteName is what SQS calls the queue of that name. SQS has letters, digits,
// '-' and '_' only, so the first two dots, which part namespace, kind and host,
// become '-'; what else is not allowed, or could be mistaken for those, is
// escaped behind '_'. So different names stay different, and the common ones
// readable: downbeat.jobs.ip-10-0-0-1 is downbeat-jobs-ip-10-0-0-1.
func remoteName(name string) string {
	escaped := escape(name)
	if len(escaped) <= maxName {
		return escaped
	}
	sum := sha256.Sum256([]byte(name))
	digest := hex.EncodeToString(sum[:8])
	return escaped[:maxName-1-len(digest)] + "-" + digest
}

// remotePrefix is what the names of all queues begin with whose own names begin
// with prefix.
func remotePrefix(prefix string) string {
	const kept = maxName - 1 - 16 // of a name that is cut
	escaped := escape(prefix)
	return escaped[:min(len(escaped), kept)]
}

func escape(name string) string {
	var b strings.Builder
	separators := 0
	for _, c := range []byte(name) {
		switch {
		case c == '.' && separators < 2:
			separators++
			b.WriteByte('-')
		case c == '-' && separators == 2:
			b.WriteByte('-')
		case c == '-':
			b.WriteString("_h")
		case c == '.':
			b.WriteString("_-")
		case c == '_':
			b.WriteString("__")
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// family is what a name has in common with those that are searched together
// with it: everything up to and with its last dot.
func family(name string) string { return name[:strings.LastIndexByte(name, '.')+1] }
