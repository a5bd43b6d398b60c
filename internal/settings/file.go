package settings

import (
	"fmt"
	"strings"

	"downbeat/internal/trustedpath"
)

// ReadURL reads the queue's URL from a file. As the URL can hold a password, the
// file is refused when others can read or write it.
func ReadURL(path string) (string, error) {
	data, err := trustedpath.ReadSecret(path)
	if err != nil {
		return "", fmt.Errorf("read the queue's URL: %w", err)
	}
	url := strings.TrimSpace(string(data))
	if url == "" || strings.ContainsAny(url, "\r\n\x00") {
		return "", fmt.Errorf("%s should hold the queue's URL alone, on one line", path)
	}
	return url, nil
}
