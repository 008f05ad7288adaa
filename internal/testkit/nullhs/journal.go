package nullhs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
)

// journal is the state file: one JSON object per line, {"kind":…,"data":…}. What one request changes is written with
// one call before the request is answered, so a killed process leaves whole requests behind.
type journal struct {
	file  *os.File
	buf   bytes.Buffer
	names map[reflect.Type]string
}

type journalLine struct {
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

// openJournal replays the file into d and opens it for appending. A last line without its end is cut off.
func openJournal(path string, d *data) (*journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state file: %w", err)
	}
	j := &journal{file: file, names: map[reflect.Type]string{}}
	for name, make := range mutationKinds {
		j.names[reflect.TypeOf(make())] = name
	}
	good, err := replay(file, d)
	if err == nil {
		err = file.Truncate(good)
	}
	if err == nil {
		_, err = file.Seek(good, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("replay state file: %w", err)
	}
	return j, nil
}

// replay applies all whole lines and returns their length in bytes.
func replay(r io.Reader, d *data) (good int64, err error) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil
		} else if err != nil {
			return good, err
		}
		var rec journalLine
		if err = json.Unmarshal(line, &rec); err != nil {
			return good, err
		}
		make := mutationKinds[rec.Kind]
		if make == nil {
			return good, fmt.Errorf("unknown kind %q", rec.Kind)
		}
		m := make()
		if err = json.Unmarshal(rec.Data, m); err != nil {
			return good, err
		}
		m.apply(d)
		good += int64(len(line))
	}
}

// commit applies a mutation and notes it for the journal. The caller holds the lock and calls flush before it answers.
func (s *Server) commit(m mutation) {
	if s.journal != nil {
		// Before it is applied: applying may fill in what replaying fills in again.
		s.journal.add(m)
	}
	m.apply(s.data)
}

func (j *journal) add(m mutation) {
	body, err := json.Marshal(m)
	if err == nil {
		body, err = json.Marshal(journalLine{j.names[reflect.TypeOf(m)], body})
	}
	if err != nil {
		panic(fmt.Sprintf("nullhs: encode %T: %v", m, err))
	}
	j.buf.Write(body)
	j.buf.WriteByte('\n')
}

// flush writes what commit noted. A journal that cannot be written is a broken test environment.
func (s *Server) flush() {
	if s.journal == nil || s.journal.buf.Len() == 0 {
		return
	}
	if _, err := s.journal.file.Write(s.journal.buf.Bytes()); err != nil {
		panic(fmt.Sprintf("nullhs: write state file: %v", err))
	}
	s.journal.buf.Reset()
}

func (j *journal) close() {
	if j != nil {
		_ = j.file.Close()
	}
}
