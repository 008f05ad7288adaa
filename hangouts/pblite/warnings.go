package pblite

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxNoted is the number of warnings kept in words; the rest is only counted.
const maxNoted = 8

// Warning is one value that was left out or changed. It never holds the value itself.
type Warning struct {
	// Field is the full name of the field, or of the message when no field is meant.
	Field protoreflect.FullName
	// Offset is the position in the input in bytes, just behind the value.
	Offset int
	// Reason says what did not fit.
	Reason string
}

// String gives the warning in one line.
func (w Warning) String() string {
	return fmt.Sprintf("%s at byte %d: %s", w.Field, w.Offset, w.Reason)
}

// Warnings counts what decoding left out.
type Warnings struct {
	// Count is the number of all warnings.
	Count int
	// First holds the first few of them.
	First []Warning
}

// String gives the noted warnings in one line, safe to log.
func (w Warnings) String() string {
	parts := make([]string, 0, len(w.First)+1)
	for _, one := range w.First {
		parts = append(parts, one.String())
	}
	if more := w.Count - len(w.First); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

func (w *Warnings) add(field protoreflect.FullName, offset int, reason string) {
	w.Count++
	if len(w.First) < maxNoted {
		w.First = append(w.First, Warning{Field: field, Offset: offset, Reason: reason})
	}
}

// cut forgets all warnings after the first n.
func (w *Warnings) cut(n int) {
	w.Count = n
	if len(w.First) > n {
		w.First = w.First[:n]
	}
}
