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
	file *os.File
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
	j := &journal{file: f}
	if err := j.replay(w); err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return j, nil
}

func (j *journal) replay(w *world) error {
	r := bufio.NewReaderSize(j.file, 1<<20)
	var good int64
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // a torn last line is dropped below
		} else if err != nil {
			return err
		}
		if n == 1 {
			if string(bytes.TrimSpace(line)) != journalFormat {
				return fmt.Errorf("%w: not a state file of this version", ErrState)
			}
		} else {
			var rec record
			if err := json.Unmarshal(line, &rec); err != nil {
				return fmt.Errorf("%w: line %d: %w", ErrState, n, err)
			}
			if err := w.apply(rec); err != nil {
				return fmt.Errorf("%w: line %d: %w", ErrState, n, err)
			}
		}
		good += int64(len(line))
	}
	if err := j.file.Truncate(good); err != nil {
		return err
	}
	if good == 0 {
		_, err := j.file.WriteString(journalFormat + "\n")
		return err
	}
	return nil
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
