package pblite

import (
	"encoding/base64"
	"fmt"
	"math"
	"sort"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxPosition is the highest field number written as a position; higher ones go to the
// trailing object (protocol §6.1).
const maxPosition = 100

// MarshalOptions configures encoding. The zero value is what [Marshal] uses.
type MarshalOptions struct {
	// Tag, when not empty, is written in front of the fields of the outermost message.
	Tag string
	// ASCII writes characters outside ASCII as \u escapes, so that lengths in bytes
	// and in UTF-16 code units are equal (protocol §15.1).
	ASCII bool
}

// Marshal encodes a message without type tag. Bools are written as 1 and 0, bytes as
// standard base64. Unknown fields are not written. The only error is ErrNotFinite.
func Marshal(m proto.Message) ([]byte, error) {
	return MarshalOptions{}.Marshal(m)
}

// Marshal is like the function Marshal, with options.
func (o MarshalOptions) Marshal(m proto.Message) ([]byte, error) {
	e := encoder{ascii: o.ASCII}
	if err := e.message(m.ProtoReflect(), o.Tag); err != nil {
		return nil, err
	}
	return e.out, nil
}

type encoder struct {
	out   []byte
	ascii bool
}

func (e *encoder) message(m protoreflect.Message, tag string) error {
	positions, extra := split(m)
	e.out = append(e.out, '[')
	start := len(e.out)
	comma := func() {
		if len(e.out) > start {
			e.out = append(e.out, ',')
		}
	}
	if tag != "" {
		e.str(tag)
	}
	for _, fd := range positions {
		comma()
		if fd == nil {
			e.out = append(e.out, "null"...)
		} else if err := e.field(fd, m.Get(fd)); err != nil {
			return err
		}
	}
	if len(extra) > 0 {
		comma()
		if err := e.trailing(m, extra); err != nil {
			return err
		}
	}
	e.out = append(e.out, ']')
	return nil
}

// split returns the set fields by position, nil for the unset ones, and those for the
// trailing object in ascending order. With both, positions reach to the last one the schema
// knows, as the server writes embedded items (protocol §15.1).
func split(m protoreflect.Message) (positions, extra []protoreflect.FieldDescriptor) {
	m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if fd.Number() > maxPosition {
			extra = append(extra, fd)
			return true
		}
		positions = grow(positions, int(fd.Number()))
		positions[fd.Number()-1] = fd
		return true
	})
	sort.Slice(extra, func(i, j int) bool { return extra[i].Number() < extra[j].Number() })
	if len(extra) > 0 && len(positions) > 0 {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			if n := fields.Get(i).Number(); n <= maxPosition {
				positions = grow(positions, int(n))
			}
		}
	}
	return positions, extra
}

func grow(list []protoreflect.FieldDescriptor, size int) []protoreflect.FieldDescriptor {
	for len(list) < size {
		list = append(list, nil)
	}
	return list
}

func (e *encoder) trailing(m protoreflect.Message, fields []protoreflect.FieldDescriptor) error {
	e.out = append(e.out, '{')
	for i, fd := range fields {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.out = append(e.out, '"')
		e.out = strconv.AppendInt(e.out, int64(fd.Number()), 10)
		e.out = append(e.out, '"', ':')
		if err := e.field(fd, m.Get(fd)); err != nil {
			return err
		}
	}
	e.out = append(e.out, '}')
	return nil
}

func (e *encoder) field(fd protoreflect.FieldDescriptor, v protoreflect.Value) error {
	if !fd.IsList() {
		return e.value(fd, v)
	}
	e.out = append(e.out, '[')
	for i := range v.List().Len() {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if err := e.value(fd, v.List().Get(i)); err != nil {
			return err
		}
	}
	e.out = append(e.out, ']')
	return nil
}

func (e *encoder) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return e.message(v.Message(), "")
	case protoreflect.BoolKind:
		if v.Bool() {
			e.out = append(e.out, '1')
		} else {
			e.out = append(e.out, '0')
		}
	case protoreflect.EnumKind:
		e.out = strconv.AppendInt(e.out, int64(v.Enum()), 10)
	case protoreflect.StringKind:
		e.str(v.String())
	case protoreflect.BytesKind:
		e.out = append(e.out, '"')
		e.out = base64.StdEncoding.AppendEncode(e.out, v.Bytes())
		e.out = append(e.out, '"')
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		if math.IsInf(v.Float(), 0) || math.IsNaN(v.Float()) {
			return fmt.Errorf("%w: %s", ErrNotFinite, fd.FullName())
		}
		e.out = strconv.AppendFloat(e.out, v.Float(), 'g', -1, 64)
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	default:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	}
	return nil
}

const hexDigits = "0123456789abcdef"

// str writes a JSON string; bytes that are not UTF-8 become U+FFFD.
func (e *encoder) str(s string) {
	e.out = append(e.out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			e.out = append(e.out, '\\', byte(r))
		case r == '\n':
			e.out = append(e.out, '\\', 'n')
		case r < 0x20 || r == 0x2028 || r == 0x2029 || r >= utf8.RuneSelf && e.ascii && r < 0x10000:
			e.unicode(r)
		case r >= 0x10000 && e.ascii:
			r -= 0x10000
			e.unicode(0xd800 + r>>10)
			e.unicode(0xdc00 + r&0x3ff)
		default:
			e.out = utf8.AppendRune(e.out, r)
		}
	}
	e.out = append(e.out, '"')
}

func (e *encoder) unicode(r rune) {
	e.out = append(e.out, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
