package worker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"downbeat/internal/message"
)

const (
	// mostFiles and mostBytes are what is brought home of one host's run: a pattern
	// that picks more than that was not meant so.
	mostFiles = 100_000
	mostBytes = 10 << 30
	// maxNamed is how many files that are missing are named.
	maxNamed = 1000
	// maxPath is the longest path that is taken, in bytes.
	maxPath = 4096
)

// A collection reads the files of one run and puts them into its log.
type collection struct {
	set     message.PathSet
	journal *journal
	sender  *sender
	backlog int // what may be in the log and not acknowledged, in bytes

	mostFiles, mostBytes uint64 // that are taken

	root    *os.Root
	pieces  message.Pieces
	totals  message.FileTotals // of what is in the batch too
	logged  message.FileTotals // of what is in the log
	buf     []byte
	waiting []batched // what was logged and not acknowledged when last looked
	unacked int       // their sum
}

// A batched is a batch in the log.
type batched struct {
	seq  uint64
	size int
}

func newCollection(patterns []string, j *journal, s *sender, backlog int) *collection {
	return &collection{set: message.NewPathSet(patterns), journal: j, sender: s, backlog: backlog, mostFiles: mostFiles, mostBytes: mostBytes, buf: make([]byte, 256<<10)}
}

// run collects the files of root, which is nil where the directory is gone. It returns once all of them are in the log, or
// ctx has ended, or the log takes no more; the totals say so.
func (c *collection) run(ctx context.Context, root *os.Root, anew bool) message.FileTotals {
	err := c.collect(ctx, root, anew)
	if err == nil {
		err = c.flush(ctx)
	}
	if err != nil {
		c.logged.BrokenOff = err.Error()
	}
	return c.logged
}

func (c *collection) collect(ctx context.Context, root *os.Root, anew bool) error {
	if anew {
		c.pieces.Add(message.Piece{Kind: message.FilesAnew})
	}
	if err := checkRoot(root); err != nil {
		return err
	}
	c.root = root
	if err := c.walk(ctx, "."); err != nil {
		return err
	}
	if more := c.totals.Missing - min(c.totals.Missing, maxNamed); more > 0 {
		return c.add(ctx, message.Piece{Kind: message.FileMissing, Reason: fmt.Sprintf("%d more files are missing that are not named", more)})
	}
	return nil
}

// checkRoot makes sure that the run's directory is still there to be read.
func checkRoot(root *os.Root) error {
	if root == nil {
		return errors.New("the run's directory is gone, or something else is in its place")
	}
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("the run's directory can't be read: %w", plain(err))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink == 0 {
		return errors.New("the run's directory is gone: it was removed before its files could be collected")
	}
	return nil
}

// walk takes what the patterns pick of a directory and of those below it. Links
// to directories are not followed.
func (c *collection) walk(ctx context.Context, dir string) error {
	below, err := c.list(ctx, dir)
	if err != nil {
		return err
	}
	for _, d := range below {
		if err := c.walk(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// list takes the files of a directory, and returns the directories in it in
// which there may be more.
func (c *collection) list(ctx context.Context, dir string) (below []string, err error) {
	d, err := c.root.Open(dir)
	if err != nil {
		return nil, c.missing(ctx, dir+"/", "the directory can't be read: "+plain(err).Error())
	}
	defer func() { _ = d.Close() }() // only read
	for {
		entries, err := d.ReadDir(1024)
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			switch {
			case e.IsDir() && len(name) > maxPath:
				if err := c.missing(ctx, name[:100]+".../", fmt.Sprintf("its path has %d bytes, at most %d are taken", len(name), maxPath)); err != nil {
					return nil, err
				}
			case e.IsDir():
				if c.set.MayBeBelow(name) {
					below = append(below, name)
				}
			case c.set.Has(name):
				if err := c.take(ctx, name, e.Type()); err != nil {
					return nil, err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return below, nil
		}
		if err != nil {
			return below, c.missing(ctx, dir+"/", "the directory can't be read: "+plain(err).Error())
		}
	}
}

// take takes one file that a pattern picks. An error ends the collection; what
// is wrong with the file is reported as such.
func (c *collection) take(ctx context.Context, name string, kind fs.FileMode) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(name) > maxPath {
		return c.missing(ctx, name[:100]+"...", fmt.Sprintf("its path has %d bytes, at most %d are taken", len(name), maxPath))
	}
	f, info, err := c.open(name, kind)
	if err != nil {
		return c.missing(ctx, name, err.Error())
	}
	defer func() { _ = f.Close() }() // only read
	switch {
	case c.totals.Files >= c.mostFiles:
		return c.missing(ctx, name, fmt.Sprintf("more than %d files are not taken from one host", c.mostFiles))
	case c.totals.Bytes+uint64(info.Size()) > c.mostBytes:
		return c.missing(ctx, name, fmt.Sprintf("more than %s are not taken from one host", sized(c.mostBytes)))
	}
	if err := c.add(ctx, message.Piece{Kind: message.FileBegin, Path: name, Mode: info.Mode().Perm(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	sum := sha256.New()
	size, readErr, err := c.copy(ctx, io.LimitReader(f, info.Size()), sum)
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return c.missing(ctx, name, "it can't be read: "+plain(readErr).Error())
	}
	if err := c.add(ctx, message.Piece{Kind: message.FileEnd, Size: size, Sum: [32]byte(sum.Sum(nil))}); err != nil {
		return err
	}
	c.totals.Files++
	c.totals.Bytes += size
	return nil
}

// open opens a file, without waiting for whatever it may turn out to be. The
// error says in words what keeps it from being taken.
func (c *collection) open(name string, kind fs.FileMode) (*os.File, fs.FileInfo, error) {
	link := ""
	if kind&fs.ModeSymlink != 0 {
		link = "a link to "
	} else if what := irregular(kind); what != "" {
		return nil, nil, fmt.Errorf("it is %s", what)
	}
	f, err := c.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case err == nil:
	case link != "" && errors.Is(err, fs.ErrNotExist):
		return nil, nil, errors.New("it is a link to what is not there")
	case link != "":
		return nil, nil, errors.New("it is a link that is not followed: it leads out of the run's directory, or to itself")
	default:
		return nil, nil, fmt.Errorf("it can't be read: %w", plain(err))
	}
	info, err := f.Stat()
	if err == nil {
		if what := irregular(info.Mode()); what != "" {
			err = fmt.Errorf("it is %s%s", link, what)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(plain(err), f.Close())
	}
	return f, info, nil
}

// irregular says what a file is that is no regular one.
func irregular(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// copy puts a file's bytes into batches, up to its end or the first error in
// reading. What was begun has at most the size that it had then, should it grow.
func (c *collection) copy(ctx context.Context, from io.Reader, sum hash.Hash) (size uint64, readErr, err error) {
	for {
		n, readErr := from.Read(c.buf)
		data := c.buf[:n]
		sum.Write(data)
		size += uint64(n)
		for len(data) > 0 {
			if err := c.reserve(ctx, minData); err != nil {
				return size, nil, err
			}
			part := data[:min(len(data), c.pieces.Room())]
			data = data[len(part):]
			c.pieces.Add(message.Piece{Kind: message.FileData, Data: part})
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return size, nil, nil
		case readErr != nil:
			return size, readErr, nil
		}
	}
}

// minData is how much room a batch must have left for data to go into it.
const minData = 4 << 10

// missing reports a file that matches and can't be sent.
func (c *collection) missing(ctx context.Context, name, reason string) error {
	if c.totals.Missing < maxNamed {
		if err := c.add(ctx, message.Piece{Kind: message.FileMissing, Path: name, Reason: reason}); err != nil {
			return err
		}
	}
	c.totals.Missing++
	return nil
}

// add puts a piece without data into the batch.
func (c *collection) add(ctx context.Context, p message.Piece) error {
	const around = 64 // a hash, and what is around the strings
	if err := c.reserve(ctx, len(p.Path)+len(p.Reason)+around); err != nil {
		return err
	}
	c.pieces.Add(p)
	return nil
}

// reserve makes sure that so much goes into the batch.
func (c *collection) reserve(ctx context.Context, n int) error {
	if c.pieces.Room() >= n {
		return nil
	}
	return c.flush(ctx)
}

// flush puts the batch into the log, once there is not too much there that waits.
// Where the disk is full, what the publisher acknowledges may make room.
func (c *collection) flush(ctx context.Context) error {
	if c.pieces.Len() == 0 {
		return nil
	}
	packed := c.pieces.Pack()
	err := c.log(ctx, packed, c.backlog)
	if err != nil && ctx.Err() == nil && c.unacked > 0 {
		err = c.log(ctx, packed, 0)
	}
	c.pieces.Reset()
	if err == nil {
		c.logged = c.totals
	}
	return err
}

// log appends a batch as soon as at most so much is unacknowledged.
func (c *collection) log(ctx context.Context, packed message.Packed, backlog int) error {
	if err := c.catchUp(ctx, backlog); err != nil {
		return err
	}
	seq, size, err := c.journal.files(packed)
	if err != nil {
		return fmt.Errorf("the worker's disk takes no more: %w", plain(err))
	}
	c.waiting = append(c.waiting, batched{seq, size})
	c.unacked += size
	return nil
}

func (c *collection) catchUp(ctx context.Context, backlog int) error {
	for {
		acked, moved := c.sender.ackedUpTo()
		for len(c.waiting) > 0 && c.waiting[0].seq <= acked {
			c.unacked -= c.waiting[0].size
			c.waiting = c.waiting[1:]
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.unacked <= backlog {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
		}
	}
}

// sized gives a number of bytes in words.
func sized(n uint64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.4g GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d bytes", n)
}

// plain gives an error without the path on this host that is in it.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
