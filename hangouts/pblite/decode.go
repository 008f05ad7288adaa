package pblite

import (
	"fmt"
	"strconv"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/bounds"
)

// Limits that apply when UnmarshalOptions leaves them 0.
const (
	DefaultMaxDepth = 100
	DefaultMaxSize  = 16 << 20
)

// keepBuffer is the size in bytes up to which buffers are kept for the next message.
const keepBuffer = 1 << 20

// TagMode says what to do with the first element of the outermost array.
type TagMode int

const (
	// NoTag takes the first element for field 1.
	NoTag TagMode = iota
	// SkipTag drops the first element whatever it is, as for pushed batches.
	SkipTag
	// AutoTag drops the first element when it is a string, as for API answers,
	// whose field 1 is always a message.
	AutoTag
)

// UnmarshalOptions configures decoding. The zero value is what [Unmarshal] uses.
type UnmarshalOptions struct {
	// Tag says whether the outermost array starts with a type tag.
	Tag TagMode
	// MaxDepth limits how deep arrays and objects nest; 0 means DefaultMaxDepth.
	MaxDepth int
	// MaxSize limits the input in bytes; 0 means DefaultMaxSize.
	MaxSize int
}

// Unmarshal resets m and fills it from an array without type tag. What does not fit is
// left out and reported in the warnings; required fields are not enforced. The error is
// ErrSyntax, ErrTooDeep, ErrTooMany or ErrTooLarge, and m is empty then; or ErrNoMessage for a
// nil m.
func Unmarshal(data []byte, m proto.Message) (Warnings, error) {
	return UnmarshalOptions{}.Unmarshal(data, m)
}

// Unmarshal is like the function Unmarshal, with options.
func (o UnmarshalOptions) Unmarshal(data []byte, m proto.Message) (Warnings, error) {
	if m == nil || !m.ProtoReflect().IsValid() {
		return Warnings{}, ErrNoMessage
	}
	proto.Reset(m)
	if o.MaxDepth == 0 {
		o.MaxDepth = DefaultMaxDepth
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if len(data) > o.MaxSize {
		return Warnings{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	t := transcoders.Get().(*transcoder)
	defer t.release()
	t.data, t.limit, t.room = data, o.MaxDepth, bounds.Elements(len(data))
	if err := t.document(tableOf(m.ProtoReflect().Descriptor()), o.Tag); err != nil {
		return t.warnings, fmt.Errorf("%w near byte %d", err, t.pos)
	}
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(t.out, m); err != nil {
		proto.Reset(m)
		return t.warnings, fmt.Errorf("decoding transcoded message: %w", err)
	}
	return t.warnings, nil
}

// Tag returns the type tag of an outermost array, that is its first element when that is
// a string.
func Tag(data []byte) (string, bool) {
	c := cursor{data: data, limit: 1}
	if c.peek() != '[' {
		return "", false
	}
	c.pos++
	if c.peek() != '"' {
		return "", false
	}
	text, _, err := c.str()
	return string(text), err == nil
}

// transcoder writes the binary form of what its cursor passes.
type transcoder struct {
	cursor
	out      []byte
	level    int // where the fields of the current message start in out
	warnings Warnings
}

// transcoders keeps buffers for the next message: decoding copies everything out of them.
var transcoders = sync.Pool{New: func() any { return new(transcoder) }}

func (t *transcoder) release() {
	if cap(t.out)+cap(t.scratch) <= keepBuffer {
		*t = transcoder{cursor: cursor{scratch: t.scratch[:0]}, out: t.out[:0]}
		transcoders.Put(t)
	}
}

func (t *transcoder) warn(f *field, reason string) {
	t.warnings.add(f.name, t.pos, reason)
}

func (t *transcoder) document(msg *table, tag TagMode) error {
	var err error
	if t.peek() == '[' {
		err = t.message(msg, tag)
	} else {
		err = t.skip()
		t.warnings.add(msg.name, t.pos, "message is not an array")
	}
	if err != nil {
		return err
	}
	if t.peek(); t.pos != len(t.data) {
		return ErrSyntax
	}
	return nil
}

// message transcodes an array to the fields of msg.
func (t *transcoder) message(msg *table, tag TagMode) error {
	number := 1
	more, err := t.open()
	if more && (tag == SkipTag || tag == AutoTag && t.peek() == '"') {
		number = 0
	}
	for ; more && err == nil; number++ {
		switch next := t.peek(); {
		case next == ',' || next == ']': // left out
		case number == 0:
			err = t.skip()
		case next == 'n':
			_, err = t.word()
		case next == '{':
			err = t.maybeTrailing(msg, msg.field(number))
		default:
			_, err = t.value(msg.field(number))
		}
		if err == nil {
			more, err = t.next()
		}
	}
	return err
}

// maybeTrailing handles an object inside an array: the map of further fields when it is
// the last element, else a value of the wrong type for f.
func (t *transcoder) maybeTrailing(msg *table, f *field) error {
	start, kept := len(t.out), t.warnings.Count
	var emptied []protowire.Number
	err := t.object(func(key []byte) error {
		number, err := strconv.ParseUint(string(key), 10, 29)
		if err != nil {
			t.warnings.add(msg.name, t.pos, "key of the trailing object is not a field number")
			return t.skip()
		}
		empty, err := t.value(msg.field(int(number)))
		if empty {
			emptied = append(emptied, protowire.Number(number))
		}
		return err
	})
	if err != nil {
		return err
	}
	if t.peek() == ']' {
		for _, number := range emptied {
			t.drop(number)
		}
		return nil
	}
	t.out = t.out[:start]
	t.warnings.cut(kept)
	if f != nil {
		t.warn(f, "object that is not last")
	}
	return nil
}

// drop removes a field from what was written of the current message.
func (t *transcoder) drop(number protowire.Number) {
	kept := t.out[:t.level]
	for rest := t.out[t.level:]; len(rest) > 0; {
		have, _, size := protowire.ConsumeField(rest)
		if have != number {
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	t.out = kept
}

// value transcodes one value for a field, nil meaning an unknown one. emptied says that a
// bad element empties the whole repeated field.
func (t *transcoder) value(f *field) (emptied bool, err error) {
	switch {
	case f == nil:
		return false, t.skip()
	case t.peek() == 'n':
		_, err := t.word()
		return false, err
	case f.repeated && f.message != nil:
		return false, t.messages(f)
	case f.repeated:
		return t.scalars(f)
	case f.message != nil:
		return false, t.embedded(f, false)
	}
	reason, err := t.scalar(f)
	if reason != "" {
		t.warn(f, reason)
	}
	return false, err
}

// embedded transcodes one embedded message. An empty one does not count as present,
// unless it is an element of a repeated field.
func (t *transcoder) embedded(f *field, element bool) error {
	start, level := len(t.out), t.level
	t.out = append(append(t.out, f.tag...), 0)
	body := len(t.out)
	if t.peek() == '[' {
		t.level = body
		if err := t.message(f.table(), NoTag); err != nil {
			return err
		}
		t.level = level
	} else {
		if err := t.skip(); err != nil {
			return err
		}
		t.warn(f, "message is not an array")
		if err := t.take(); err != nil {
			return err
		}
	}
	size := len(t.out) - body
	if size == 0 && !element {
		t.out = t.out[:start]
		return nil
	}
	t.setLength(body, size)
	return nil
}

// setLength writes the length of the last size bytes into the one byte kept for it before
// body, moving them when it needs more.
func (t *transcoder) setLength(body, size int) {
	width := protowire.SizeVarint(uint64(size))
	if width > 1 {
		var room [10]byte
		t.out = append(t.out, room[:width-1]...)
		copy(t.out[body+width-1:], t.out[body:body+size])
	}
	protowire.AppendVarint(t.out[:body-1], uint64(size))
}

func (t *transcoder) messages(f *field) error {
	if t.peek() != '[' {
		t.warn(f, "repeated field is not an array")
		return t.skip()
	}
	return t.array(func(elided bool) error {
		if elided {
			t.warn(f, "message is not an array")
			t.out = append(append(t.out, f.tag...), 0)
			return t.take()
		}
		return t.embedded(f, true)
	})
}

// scalars transcodes a repeated scalar; one bad element empties the whole field.
func (t *transcoder) scalars(f *field) (emptied bool, err error) {
	if t.peek() != '[' {
		t.warn(f, "repeated field is not an array")
		return true, t.skip()
	}
	start, bad := len(t.out), ""
	err = t.array(func(elided bool) error {
		if elided {
			bad = "null in a repeated field"
			return nil
		}
		reason, err := t.scalar(f)
		switch reason {
		case "":
		case replacedText:
			t.warn(f, reason)
		default:
			bad = reason
		}
		return err
	})
	if err != nil || bad == "" {
		return false, err
	}
	t.out = t.out[:start]
	t.warn(f, bad)
	return true, nil
}
