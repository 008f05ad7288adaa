package pblite

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// table holds what the transcoder needs to know of one message type.
type table struct {
	name   protoreflect.FullName
	low    []*field // by number, up to maxLow
	last   int      // the highest number that is written as a position
	fields map[protoreflect.FieldNumber]*field
}

// maxLow bounds the dense part of a table; Hangouts messages have few numbers above it.
const maxLow = 64

type field struct {
	name     protoreflect.FullName
	number   protowire.Number
	kind     protoreflect.Kind
	wire     protowire.Type
	tag      []byte // of its binary form
	bits     int    // of an integer, 32 or 64
	unsigned bool
	zigzag   bool
	repeated bool
	enum     protoreflect.EnumValueDescriptors
	values   []bool // of the enum, by number, up to maxLow
	message  protoreflect.MessageDescriptor
	table    func() *table // of the embedded message, made on first use
}

var tables sync.Map // protoreflect.MessageDescriptor -> *table

func tableOf(md protoreflect.MessageDescriptor) *table {
	if t, ok := tables.Load(md); ok {
		return t.(*table)
	}
	t := &table{name: md.FullName(), fields: map[protoreflect.FieldNumber]*field{}}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		f := newField(fd)
		t.fields[fd.Number()] = f
		if fd.Number() <= maxPosition {
			t.last = max(t.last, int(fd.Number()))
		}
		if fd.Number() < maxLow {
			for len(t.low) <= int(fd.Number()) {
				t.low = append(t.low, nil)
			}
			t.low[fd.Number()] = f
		}
	}
	actual, _ := tables.LoadOrStore(md, t)
	return actual.(*table)
}

func newField(fd protoreflect.FieldDescriptor) *field {
	f := &field{
		name: fd.FullName(), number: fd.Number(), kind: fd.Kind(), repeated: fd.IsList(),
		wire: wireType(fd.Kind()), tag: protowire.AppendTag(nil, fd.Number(), wireType(fd.Kind())),
	}
	f.bits = 64
	switch fd.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.EnumKind,
		protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		f.bits = 32
	}
	switch fd.Kind() {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		f.unsigned = true
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		f.zigzag = true
	}
	switch {
	case fd.Message() != nil:
		f.message = fd.Message()
		f.table = sync.OnceValue(func() *table { return tableOf(f.message) })
	case fd.Enum() != nil:
		f.enum = fd.Enum().Values()
		f.values = make([]bool, maxLow)
		for i := range f.values {
			f.values[i] = f.enum.ByNumber(protoreflect.EnumNumber(i)) != nil
		}
	}
	return f
}

// known reports whether the enum has a value of that number.
func (f *field) known(number int64) bool {
	if number >= 0 && number < maxLow {
		return f.values[number]
	}
	return f.enum.ByNumber(protoreflect.EnumNumber(number)) != nil
}

func (t *table) field(number int) *field {
	if number < len(t.low) {
		return t.low[number]
	}
	return t.fields[protoreflect.FieldNumber(number)]
}

func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	default:
		return protowire.VarintType
	}
}
