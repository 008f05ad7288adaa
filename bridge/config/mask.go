package config

import (
	"errors"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// masked is an error whose text quotes nothing.
type masked struct {
	error
	text string
}

func (m *masked) Error() string { return m.text }

func (m *masked) Unwrap() error { return m.error }

// Errors of YAML put a value into backquotes, uncut when it is short, and of strconv and others into
// quotation marks.
var (
	quotedValue = regexp.MustCompile("(?s)`.*`")
	levelText   = regexp.MustCompile(`(?s)(permissions level ).*`)
	quotedText  = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"?|'[^']*'?`)
)

// Mask hides in an error of reading a config what it quotes of the file or of the environment: any
// value may be a secret that stands in the wrong place. Errors of our own checks stay.
func Mask(err error) error {
	if err == nil || errors.Is(err, ErrInvalid) {
		return err
	}
	parts := []string{err.Error()}
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		parts = append([]string{"yaml"}, typed.Errors...)
	}
	for i, part := range parts {
		part = levelText.ReplaceAllString(part, "${1}(hidden)")
		parts[i] = quotedText.ReplaceAllString(quotedValue.ReplaceAllString(part, "(hidden)"), "(hidden)")
	}
	return &masked{err, strings.Join(parts, ": ")}
}
