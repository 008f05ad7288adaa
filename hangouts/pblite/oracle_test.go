package pblite_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// The oracle decodes the same rules in the plain way, over a parsed tree and reflection.

type member struct {
	key   string
	value any
}

// tree parses valid JSON to nil, bool, json.Number, string, []any and []member. ok is false
// for an object with a repeated key, whose meaning is not defined.
func tree(d *json.Decoder) (value any, ok bool) {
	token, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, ok := tree(d)
			if !ok {
				return nil, false
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err == nil
	case json.Delim('{'):
		members, seen := []member{}, map[int]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, false
			}
			v, ok := tree(d)
			if n, err := strconv.Atoi(key.(string)); err == nil {
				if seen[n] {
					return nil, false
				}
				seen[n] = true
			}
			if !ok {
				return nil, false
			}
			members = append(members, member{key.(string), v})
		}
		_, err = d.Token()
		return members, err == nil
	}
	return token, true
}

func oracleMessage(m protoreflect.Message, value any, skipFirst bool) {
	list, ok := value.([]any)
	if !ok {
		return
	}
	shift := 1
	if skipFirst && len(list) > 0 {
		list = list[1:]
	}
	var last []member
	if len(list) > 0 {
		if last, ok = list[len(list)-1].([]member); ok {
			list = list[:len(list)-1]
		}
	}
	for i, v := range list {
		oracleField(m, i+shift, v)
	}
	for _, one := range last {
		if n, err := strconv.ParseUint(one.key, 10, 29); err == nil {
			oracleField(m, int(n), one.value)
		}
	}
}

func oracleField(m protoreflect.Message, number int, value any) {
	fd := m.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(number))
	if fd == nil || value == nil {
		return
	}
	if !fd.IsList() {
		if fd.Message() != nil {
			sub := m.NewField(fd).Message()
			oracleMessage(sub, value, false)
			if proto.Size(sub.Interface()) > 0 {
				proto.Merge(m.Mutable(fd).Message().Interface(), sub.Interface())
			}
		} else if v, ok := oracleScalar(fd, value); ok {
			m.Set(fd, v)
		}
		return
	}
	items, ok := value.([]any)
	if !ok {
		if fd.Message() == nil {
			m.Clear(fd)
		}
		return
	}
	list := m.Mutable(fd).List()
	for _, item := range items {
		if fd.Message() != nil {
			oracleMessage(list.AppendMutable().Message(), item, false)
			continue
		}
		v, ok := oracleScalar(fd, item)
		if !ok {
			m.Clear(fd)
			return
		}
		list.Append(v)
	}
	if list.Len() == 0 {
		m.Clear(fd)
	}
}

func oracleScalar(fd protoreflect.FieldDescriptor, value any) (none protoreflect.Value, ok bool) {
	digits := ""
	switch v := value.(type) {
	case bool:
		digits = "0"
		if v {
			digits = "1"
		}
	case json.Number:
		digits = string(v)
	case string:
		switch fd.Kind() {
		case protoreflect.StringKind:
			return protoreflect.ValueOfString(v), true
		case protoreflect.BytesKind:
			raw, ok := pblite.DecodeBase64([]byte(v))
			return protoreflect.ValueOfBytes(raw), ok
		case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.DoubleKind, protoreflect.FloatKind:
			return none, false
		}
		if len(v) > 0 && v[0] == '+' || bytes.ContainsRune([]byte(v), '_') {
			return none, false
		}
		digits = v
	default:
		return none, false
	}
	return oracleNumber(fd, digits)
}

func oracleNumber(fd protoreflect.FieldDescriptor, digits string) (none protoreflect.Value, ok bool) {
	signed, errS := strconv.ParseInt(digits, 10, 64)
	signed32, errS32 := strconv.ParseInt(digits, 10, 32)
	unsigned, errU := strconv.ParseUint(digits, 10, 64)
	unsigned32, errU32 := strconv.ParseUint(digits, 10, 32)
	if signed == 0 && errS == nil {
		errU, errU32 = nil, nil
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		_, bad := strconv.ParseInt(digits, 10, 64)
		if numError, isNum := bad.(*strconv.NumError); bad != nil && (!isNum || numError.Err == strconv.ErrSyntax) {
			return none, false
		}
		return protoreflect.ValueOfBool(bad != nil || signed != 0), true
	case protoreflect.EnumKind:
		if errS32 != nil || fd.Enum().Values().ByNumber(protoreflect.EnumNumber(signed32)) == nil {
			return none, false
		}
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(signed32)), true
	case protoreflect.DoubleKind:
		v, err := strconv.ParseFloat(digits, 64)
		return protoreflect.ValueOfFloat64(v), err == nil
	case protoreflect.FloatKind:
		v, err := strconv.ParseFloat(digits, 32)
		return protoreflect.ValueOfFloat32(float32(v)), err == nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(unsigned), errU == nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(unsigned32)), errU32 == nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(signed32)), errS32 == nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(signed), errS == nil
	}
	return none, false
}

// FuzzUnmarshal checks that decoding never panics, agrees with the oracle on strict JSON,
// and that what was decoded survives encoding and decoding.
func FuzzUnmarshal(f *testing.F) {
	for _, c := range loadVectors(f).Decode {
		f.Add(c.InputJSON, c.IgnoreFirst)
	}
	for _, c := range loadVectors(f).Encode {
		f.Add(c.PbliteJSON, c.LeadingTag != "")
	}
	for _, s := range []string{`[1,,"a",]`, `[[1,[2,{"2":["x"]}]],{"2":[1],"7":[{"1":3}]},{"4":["a"]}]`, `[,,,,,,,,,,,,,[,[1]]]`, `[0.1,1e400,-0,"-0"]`} {
		f.Add(s, false)
	}
	names := []string{"TestMessage", "KindsMessage", "BatchUpdate", "StateUpdate", "Attachment", "Conversation"}
	f.Fuzz(func(t *testing.T, text string, tagged bool) {
		mode := pblite.NoTag
		if tagged {
			mode = pblite.SkipTag
		}
		strict := json.Valid([]byte(text))
		for _, name := range names {
			got := newMessage(t, name)
			_, err := pblite.UnmarshalOptions{Tag: mode}.Unmarshal([]byte(text), got)
			if err != nil {
				require.False(t, strict && !isDepth(err), "%s: refused valid JSON: %v", name, err)
				continue
			}
			roundTrip(t, got)
			if !strict {
				continue
			}
			d := json.NewDecoder(bytes.NewReader([]byte(text)))
			d.UseNumber()
			if value, ok := tree(d); ok {
				want := newMessage(t, name)
				oracleMessage(want.ProtoReflect(), value, tagged)
				require.True(t, proto.Equal(want, got), "%s\nwant %v\ngot  %v", name, want, got)
			}
		}
	})
}

func isDepth(err error) bool {
	return err != nil && bytes.Contains([]byte(err.Error()), []byte("too deep"))
}

func roundTrip(t *testing.T, m proto.Message) {
	t.Helper()
	text, err := pblite.MarshalOptions{ASCII: true}.Marshal(m)
	require.NoError(t, err)
	require.True(t, json.Valid(text), "%s", text)
	back := m.ProtoReflect().New().Interface()
	warnings, err := pblite.Unmarshal(text, back)
	require.NoError(t, err)
	require.Zero(t, warnings.Count, "%s: %s", text, warnings)
	require.True(t, proto.Equal(m, back), "%s\nwant %v\ngot  %v", text, m, back)
}

// TestWireIsMinimal guards the length prefix that embedded messages get in place.
func TestWireIsMinimal(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 128, 129, 16381, 16384, 20000, 3 << 20} {
		text := bytes.Repeat([]byte("x"), size)
		m := newMessage(t, "Event")
		_, err := pblite.Unmarshal([]byte(`[["`+string(text)+`"],["a"]]`), m)
		require.NoError(t, err)
		id := m.ProtoReflect().Descriptor().Fields().ByName("conversation_id")
		if size == 0 {
			require.Equal(t, 2, proto.Size(m.ProtoReflect().Get(id).Message().Interface()), "a present empty string counts")
			continue
		}
		require.Equal(t, 1+protowire.SizeBytes(size), proto.Size(m.ProtoReflect().Get(id).Message().Interface()))
	}
}
