package homeserver

import (
	"bytes"
	"fmt"
	"io"
	"regexp"

	"github.com/rs/zerolog"
	"github.com/tidwall/sjson"
	"go.mau.fi/zeroconfig"
)

// privateFields are what the framework logs of messages: whole requests and events.
var privateFields = []string{"req_body", "event_content"}

// tokenInURL is a token where errors of HTTP show it.
var tokenInURL = regexp.MustCompile(`(access_token=)[^&"\\\s]+`)

// HideBodies takes the text of messages, and tokens in addresses, out of everything that is logged, at every level.
// It changes the config until restore is called.
func HideBodies(c *zeroconfig.Config) (restore func()) {
	original := c.Writers
	c.Writers = make([]zeroconfig.WriterConfig, len(original))
	for n := range original {
		inner := original[n]
		kind := zeroconfig.WriterType(fmt.Sprintf("without-bodies-%d", n))
		zeroconfig.RegisterWriter(kind, func(*zeroconfig.WriterConfig) (io.Writer, error) {
			writer, err := inner.Compile()
			return &bodyFilter{writer}, err
		})
		c.Writers[n] = zeroconfig.WriterConfig{Type: kind, Format: zeroconfig.LogFormatJSON}
	}
	return func() { c.Writers = original }
}

// bodyFilter removes private fields from lines of JSON.
type bodyFilter struct{ next io.Writer }

func withoutBodies(line []byte) []byte {
	for _, field := range privateFields {
		if !bytes.Contains(line, []byte(`"`+field+`":`)) {
			continue
		}
		// sjson leaves the line as it is when it does not have the field at its top.
		if shorter, err := sjson.DeleteBytes(bytes.Clone(line), field); err == nil {
			line = shorter
		}
	}
	if bytes.Contains(line, []byte("access_token=")) {
		line = tokenInURL.ReplaceAll(line, []byte("${1}…"))
	}
	return line
}

// Write implements io.Writer. The length is that of what was given.
func (f *bodyFilter) Write(line []byte) (int, error) {
	_, err := f.next.Write(withoutBodies(line))
	return len(line), err
}

// WriteLevel implements zerolog.LevelWriter.
func (f *bodyFilter) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	var err error
	if leveled, ok := f.next.(zerolog.LevelWriter); ok {
		_, err = leveled.WriteLevel(level, withoutBodies(line))
	} else {
		_, err = f.next.Write(withoutBodies(line))
	}
	return len(line), err
}
