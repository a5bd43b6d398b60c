package message

import "encoding/base64"

// ClockInfo says where a host answers probes of its clock by UDP: each address is an IP
// address and a port, those that are of most use first.
type ClockInfo struct {
	Addresses []string `json:"addresses"`
}

// clockKeyBytes is the length of a key that such probes are signed with.
const clockKeyBytes = 32

// isClockKey reports whether that is such a key, or none.
func isClockKey(key string) bool {
	data, err := base64.StdEncoding.DecodeString(key)
	return key == "" || err == nil && len(data) == clockKeyBytes
}
