package hangoutstest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// journalFormat is the first line of a state file.
const journalFormat = `{"format":"hangoutstest-journal","version":1}`

// journal is the append-only state file: one JSON record per line, written with a single
// write before the change is answered or pushed. That survives the death of the process
// (kill -9), not that of the machine: nothing is synced. A line that a death cut short was
// never answered and is removed on opening.
type journal struct {
	file io.WriteCloser
}

// openJournal locks and replays path into w. The file is made when it does not exist.
func openJournal(path string, w *world) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state file: %w", errors.Join(ErrState, err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s is in use by another server", ErrState, path)
	}
	if err := reopen(f, w); err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &journal{file: f}, nil
}

// reopen replays a state file and leaves it with whole lines only.
func reopen(f *os.File, w *world) error {
	good, err := replay(f, w)
	if err != nil {
		return err
	}
	if err := f.Truncate(good); err != nil {
		return err
	}
	if good == 0 {
		_, err := f.WriteString(journalFormat + "\n")
		return err
	}
	return nil
}

// replay applies the records of a state file and returns the length of the whole lines.
func replay(in io.Reader, w *world) (good int64, err error) {
	r := bufio.NewReaderSize(in, 1<<20)
	// The first line shows whether the rest is worth reading, and how long lines may be.
	line, err := r.ReadSlice('\n')
	if errors.Is(err, io.EOF) && bytes.HasPrefix([]byte(journalFormat), line) {
		return 0, nil // empty, or cut short when it was made
	}
	if string(bytes.TrimSpace(line)) != journalFormat {
		return 0, fmt.Errorf("%w: not a state file of this version", ErrState)
	}
	for n := 2; ; n++ {
		good += int64(len(line))
		line, err = r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil // a torn last line is dropped
		}
		var rec record
		if err == nil {
			err = json.Unmarshal(line, &rec)
		}
		if err == nil {
			err = w.load(rec)
		}
		if err != nil {
			return 0, fmt.Errorf("%w: line %d: %w", ErrState, n, err)
		}
	}
}

func (j *journal) append(rec record) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write state file: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}
