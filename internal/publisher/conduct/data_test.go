package conduct

import (
	"iter"
	"slices"
	"strings"

	"downbeat/internal/message"
	"downbeat/internal/streams"
)

// output sends one piece of one stream.
func (w *worker) output(command int, stream streams.Stream, text string) {
	w.t.Helper()
	w.sends(w.logsOutput(command, stream, text))
}

// logsOutput gives a piece of output its number without sending it.
func (w *worker) logsOutput(command int, stream streams.Stream, text string) Received {
	return w.logs(w.writes(command, stream, text), 100+len(text))
}

// writes counts a piece of output. Lines are counted as newlines: a last line without one
// is for the totals at the end.
func (w *worker) writes(command int, stream streams.Stream, text string) Output {
	total := &w.totals[command]
	sum, lines := &total.StdoutBytes, &total.StdoutLines
	if stream == streams.Stderr {
		sum, lines = &total.StderrBytes, &total.StderrLines
	}
	s := message.Segment{Command: command, Stream: stream, At: w.clock(), Offset: *sum, Line: *lines, Data: []byte(text)}
	*sum += uint64(len(text))
	*lines += uint64(strings.Count(text, "\n"))
	return segments(s)
}

func segments(all ...message.Segment) Output { return Output{Segments: slices.Values(all)} }

// files sends a batch of files.
func (w *worker) files(pieces ...message.Piece) {
	w.t.Helper()
	w.sends(w.logs(packed(pieces), 100))
}

func packed(pieces []message.Piece) Files {
	return Files{Unpack: func([]byte) (iter.Seq[message.Piece], []byte, error) { return slices.Values(pieces), nil, nil }}
}

// file is the pieces of a whole file.
func file(path, content string) []message.Piece {
	return []message.Piece{
		{Kind: message.FileBegin, Path: path}, {Kind: message.FileData, Data: []byte(content)}, {Kind: message.FileEnd, Size: uint64(len(content))},
	}
}
