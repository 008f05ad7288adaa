package pblite

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
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
// standard base64. Unknown fields are not written. The error is ErrNotFinite, or ErrNoMessage for a nil m.
func Marshal(m proto.Message) ([]byte, error) {
	return MarshalOptions{}.Marshal(m)
}

// Marshal is like the function Marshal, with options.
func (o MarshalOptions) Marshal(m proto.Message) ([]byte, error) {
	if m == nil {
		return nil, ErrNoMessage
	}
	e := encoders.Get().(*encoder)
	defer e.release()
	wire, err := proto.MarshalOptions{AllowPartial: true}.MarshalAppend(e.wire, m)
	if err != nil {
		return nil, fmt.Errorf("encoding the message: %w", err)
	}
	e.wire, e.ascii = wire, o.ASCII
	if err := e.message(tableOf(m.ProtoReflect().Descriptor()), wire, o.Tag); err != nil {
		return nil, err
	}
	return bytes.Clone(e.out), nil
}

// encoder writes JSON from the binary form, which is several times faster than reflection.
type encoder struct {
	wire  []byte
	out   []byte
	ascii bool
	stack []member // of the messages that are being written
}

// encoders keeps buffers for the next message.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

func (e *encoder) release() {
	if cap(e.wire)+cap(e.out) <= keepBuffer {
		*e = encoder{wire: e.wire[:0], out: e.out[:0], stack: e.stack[:0]}
		encoders.Put(e)
	}
}

// member is one field of a message, or one element of it: the number of a varint or fixed
// type, or the content of the others.
type member struct {
	*field
	bits uint64
	raw  []byte
}

// push cuts the binary form of a message into its known fields, in order of their numbers.
func (e *encoder) push(msg *table, wire []byte) (list []member, err error) {
	base, sorted := len(e.stack), true
	for last := protowire.Number(0); len(wire) > 0; {
		number, kind, size := protowire.ConsumeTag(wire)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		wire = wire[size:]
		m := member{field: msg.field(int(number))}
		if size = m.consume(number, kind, wire); size < 0 {
			return nil, protowire.ParseError(size)
		}
		wire = wire[size:]
		switch {
		case m.field == nil:
			continue
		case m.wire == kind:
			e.stack = append(e.stack, m)
		case kind == protowire.BytesType && m.repeated: // packed
			for raw := m.raw; len(raw) > 0; raw = raw[size:] {
				one := member{field: m.field}
				if size = one.consume(number, m.wire, raw); size < 0 {
					return nil, protowire.ParseError(size)
				}
				e.stack = append(e.stack, one)
			}
		}
		sorted, last = sorted && last <= number, number
	}
	list = e.stack[base:]
	if !sorted {
		slices.SortStableFunc(list, func(a, b member) int { return int(a.number) - int(b.number) })
	}
	return list, nil
}

// consume takes a value and returns its size, negative for an error.
func (m *member) consume(number protowire.Number, kind protowire.Type, wire []byte) (size int) {
	switch kind {
	case protowire.BytesType:
		m.raw, size = protowire.ConsumeBytes(wire)
	case protowire.VarintType:
		m.bits, size = protowire.ConsumeVarint(wire)
	case protowire.Fixed64Type:
		m.bits, size = protowire.ConsumeFixed64(wire)
	case protowire.Fixed32Type:
		v, n := protowire.ConsumeFixed32(wire)
		m.bits, size = uint64(v), n
	default:
		size = protowire.ConsumeFieldValue(number, kind, wire)
	}
	return size
}

// message writes an array. With fields for the trailing object, positions reach to the last one
// the schema knows, as the server writes embedded items (protocol §15.1).
func (e *encoder) message(msg *table, wire []byte, tag string) error {
	base := len(e.stack)
	list, err := e.push(msg, wire)
	if err != nil {
		return err
	}
	defer func() { e.stack = e.stack[:base] }()
	e.out = append(e.out, '[')
	if tag != "" {
		e.str([]byte(tag))
		e.out = append(e.out, ',')
	}
	position, positions := 1, 0
	for len(list) > 0 && list[0].number <= maxPosition {
		f := list[0].field
		position = e.nulls(position, int(f.number))
		if list, err = e.field(f, list); err != nil {
			return err
		}
		e.out = append(e.out, ',')
		position, positions = position+1, positions+1
	}
	if len(list) > 0 {
		if positions > 0 {
			e.nulls(position, msg.last+1)
		}
		if err := e.trailing(list); err != nil {
			return err
		}
		e.out = append(e.out, ',')
	}
	if e.out[len(e.out)-1] == ',' {
		e.out = e.out[:len(e.out)-1]
	}
	e.out = append(e.out, ']')
	return nil
}

// nulls fills the positions before one.
func (e *encoder) nulls(from, to int) int {
	for ; from < to; from++ {
		e.out = append(e.out, "null,"...)
	}
	return from
}

func (e *encoder) trailing(list []member) (err error) {
	e.out = append(e.out, '{')
	for len(list) > 0 {
		f := list[0].field
		e.out = append(e.out, '"')
		e.out = strconv.AppendInt(e.out, int64(f.number), 10)
		e.out = append(e.out, '"', ':')
		if list, err = e.field(f, list); err != nil {
			return err
		}
		if len(list) > 0 {
			e.out = append(e.out, ',')
		}
	}
	e.out = append(e.out, '}')
	return nil
}

// field writes a field, which stands first in the list, with all its elements, and returns the rest.
func (e *encoder) field(f *field, list []member) ([]member, error) {
	if !f.repeated {
		return list[1:], e.value(f, list[0].bits, list[0].raw)
	}
	e.out = append(e.out, '[')
	for len(list) > 0 && list[0].field == f {
		if err := e.value(f, list[0].bits, list[0].raw); err != nil {
			return nil, err
		}
		e.out = append(e.out, ',')
		list = list[1:]
	}
	e.out[len(e.out)-1] = ']'
	return list, nil
}

func (e *encoder) value(f *field, bits uint64, raw []byte) error {
	switch f.kind {
	case protoreflect.MessageKind:
		return e.message(f.table(), raw, "")
	case protoreflect.StringKind:
		e.str(raw)
	case protoreflect.BytesKind:
		e.out = append(e.out, '"')
		e.out = base64.StdEncoding.AppendEncode(e.out, raw)
		e.out = append(e.out, '"')
	case protoreflect.BoolKind:
		e.out = append(e.out, '0'+byte(min(bits, 1)))
	case protoreflect.DoubleKind:
		return e.float(f, math.Float64frombits(bits))
	case protoreflect.FloatKind:
		return e.float(f, float64(math.Float32frombits(uint32(bits))))
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		e.out = strconv.AppendUint(e.out, bits, 10)
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		e.out = strconv.AppendInt(e.out, protowire.DecodeZigZag(bits), 10)
	case protoreflect.Sfixed32Kind, protoreflect.Int32Kind, protoreflect.EnumKind:
		e.out = strconv.AppendInt(e.out, int64(int32(bits)), 10)
	default:
		e.out = strconv.AppendInt(e.out, int64(bits), 10)
	}
	return nil
}

func (e *encoder) float(f *field, v float64) error {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Errorf("%w: %s", ErrNotFinite, f.name)
	}
	e.out = strconv.AppendFloat(e.out, v, 'g', -1, 64)
	return nil
}

const hexDigits = "0123456789abcdef"

// str writes a JSON string; bytes that are not UTF-8 become U+FFFD.
func (e *encoder) str(text []byte) {
	e.out = append(e.out, '"')
	raw := !e.ascii && utf8.Valid(text) // then all but U+2028 and U+2029, which begin with 0xe2, can stay
	for len(text) > 0 {
		run := 0
		for run < len(text) && (plain[text[run]] || raw && text[run] >= utf8.RuneSelf && text[run] != 0xe2) {
			run++
		}
		e.out = append(e.out, text[:run]...)
		if text = text[run:]; len(text) == 0 {
			break
		}
		r, size := utf8.DecodeRune(text)
		text = text[size:]
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
