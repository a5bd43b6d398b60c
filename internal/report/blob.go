package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zlib"
)

// A blob is a JSON document as it is in the page: deflated, in base 64. Nothing in it can end
// the HTML element that contains it.
type blob string

func pack(v any) (blob, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("pack %T: %w", v, err)
	}
	var b bytes.Buffer
	text := base64.NewEncoder(base64.StdEncoding, &b)
	w := zlib.NewWriter(text)
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	if err == nil {
		err = text.Close()
	}
	if err != nil {
		return "", fmt.Errorf("pack %T: %w", v, err)
	}
	return blob(b.String()), nil
}

func (b blob) unpack(v any) error {
	r, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader([]byte(b))))
	if err != nil {
		return fmt.Errorf("unpack %T: %w", v, err)
	}
	if err := json.NewDecoder(r).Decode(v); err != nil {
		return fmt.Errorf("unpack %T: %w", v, err)
	}
	return nil
}
