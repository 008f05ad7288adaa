package pblite_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"sort"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
	"github.com/hangouts-bridge/hangouts-bridge/internal/pblitetest"
)

// FuzzMarshal compares the encoder with one that follows the rules plainly, by reflection, and
// reads back what it wrote.
func FuzzMarshal(f *testing.F) {
	for _, push := range pblitetest.Pushes() {
		var m pb.BatchUpdate
		_, err := pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(push.Text, &m)
		require.NoError(f, err)
		for _, update := range m.GetStateUpdate()[:min(10, len(m.GetStateUpdate()))] {
			wire, err := proto.MarshalOptions{AllowPartial: true}.Marshal(update)
			require.NoError(f, err)
			f.Add(wire, false)
			f.Add(wire, true)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, ascii bool) {
		var m pb.StateUpdate
		if (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(wire, &m) != nil {
			return
		}
		got, err := pblite.MarshalOptions{ASCII: ascii, Tag: "t"}.Marshal(&m)
		plain := plainEncoder{ascii: ascii}
		wanted := plain.message(m.ProtoReflect(), "t")
		require.Equal(t, wanted == nil, err == nil, "%v", err)
		if err != nil {
			return
		}
		require.Equal(t, string(plain.out), string(got), prototext.Format(&m))
		_, err = pblite.UnmarshalOptions{Tag: pblite.SkipTag, MaxDepth: 10_000}.Unmarshal(got, &pb.StateUpdate{})
		require.NoError(t, err)
	})
}

type plainEncoder struct {
	out   []byte
	ascii bool
}

func (e *plainEncoder) message(m protoreflect.Message, tag string) error {
	positions, extra := splitPlain(m)
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
func splitPlain(m protoreflect.Message) (positions, extra []protoreflect.FieldDescriptor) {
	m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if fd.Number() > 100 {
			extra = append(extra, fd)
			return true
		}
		positions = growPlain(positions, int(fd.Number()))
		positions[fd.Number()-1] = fd
		return true
	})
	sort.Slice(extra, func(i, j int) bool { return extra[i].Number() < extra[j].Number() })
	if len(extra) > 0 && len(positions) > 0 {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			if n := fields.Get(i).Number(); n <= 100 {
				positions = growPlain(positions, int(n))
			}
		}
	}
	return positions, extra
}

func growPlain(list []protoreflect.FieldDescriptor, size int) []protoreflect.FieldDescriptor {
	for len(list) < size {
		list = append(list, nil)
	}
	return list
}

func (e *plainEncoder) trailing(m protoreflect.Message, fields []protoreflect.FieldDescriptor) error {
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

func (e *plainEncoder) field(fd protoreflect.FieldDescriptor, v protoreflect.Value) error {
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

func (e *plainEncoder) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) error {
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
			return fmt.Errorf("%w: %s", pblite.ErrNotFinite, fd.FullName())
		}
		e.out = strconv.AppendFloat(e.out, v.Float(), 'g', -1, 64)
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	default:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	}
	return nil
}

const plainHexDigits = "0123456789abcdef"

// str writes a JSON string; bytes that are not UTF-8 become U+FFFD.
func (e *plainEncoder) str(s string) {
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

func (e *plainEncoder) unicode(r rune) {
	e.out = append(e.out, '\\', 'u', plainHexDigits[r>>12&15], plainHexDigits[r>>8&15], plainHexDigits[r>>4&15], plainHexDigits[r&15])
}
