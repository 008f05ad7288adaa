package pblite

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Reasons of warnings. With replacedText the value is kept, with the others left out.
const (
	replacedText  = "text that is not Unicode was replaced"
	wrongType     = "value of the wrong type"
	outOfRange    = "number out of range"
	notAnInteger  = "floating point number for an integer"
	unknownNumber = "unknown enum number"
	badBase64     = "malformed base64"
)

// scalar transcodes one value that is not a message. It passes the value in any case; when
// the value does not fit, nothing is written and reason says why.
func (t *transcoder) scalar(f *field) (reason string, err error) {
	switch next := t.peek(); {
	case next == '"':
		text, replaced, err := t.str()
		if err != nil {
			return "", err
		}
		return t.text(f, text, replaced), nil
	case next == 't' || next == 'f':
		if _, err := t.word(); err != nil {
			return "", err
		}
		return t.truth(f, next == 't'), nil
	case next == '-' || next >= '0' && next <= '9':
		text, integer, err := t.number()
		if err != nil {
			return "", err
		}
		return t.numeric(f, text, integer), nil
	default: // null inside an array, array, object, or no JSON at all
		return wrongType, t.skip()
	}
}

func (t *transcoder) text(f *field, text []byte, replaced bool) string {
	switch f.kind {
	case protoreflect.StringKind:
		t.out = append(t.out, f.tag...)
		t.out = protowire.AppendBytes(t.out, text)
		if replaced {
			return replacedText
		}
		return ""
	case protoreflect.BytesKind:
		raw, ok := decodeBase64(text)
		if !ok {
			return badBase64
		}
		t.out = append(t.out, f.tag...)
		t.out = protowire.AppendBytes(t.out, raw)
		return ""
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.DoubleKind, protoreflect.FloatKind:
		return wrongType
	}
	if !isDecimal(text) {
		return wrongType
	}
	return t.integer(f, text)
}

func isDecimal(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	for _, b := range text {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(text) > 0
}

func (t *transcoder) truth(f *field, v bool) string {
	switch f.kind {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return wrongType
	}
	if v {
		return t.numeric(f, []byte("1"), true)
	}
	return t.numeric(f, []byte("0"), true)
}

func (t *transcoder) numeric(f *field, text []byte, integer bool) string {
	switch f.kind {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return wrongType
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return t.float(f, text)
	}
	if !integer {
		return notAnInteger
	}
	return t.integer(f, text)
}

func (t *transcoder) float(f *field, text []byte) string {
	bits := 64
	if f.kind == protoreflect.FloatKind {
		bits = 32
	}
	v, err := strconv.ParseFloat(string(text), bits)
	if err != nil {
		return outOfRange
	}
	t.out = append(t.out, f.tag...)
	if bits == 32 {
		t.out = protowire.AppendFixed32(t.out, math.Float32bits(float32(v)))
	} else {
		t.out = protowire.AppendFixed64(t.out, math.Float64bits(v))
	}
	return ""
}

// integer writes decimal digits for an integer, bool or enum field.
func (t *transcoder) integer(f *field, text []byte) string {
	switch f.kind {
	case protoreflect.BoolKind:
		return t.bool(f, text)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return t.unsigned(f, text)
	}
	bits := 64
	switch f.kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.EnumKind:
		bits = 32
	}
	v, ok := small(text)
	if !ok {
		var err error
		if v, err = strconv.ParseInt(string(text), 10, bits); err != nil {
			return outOfRange
		}
	}
	if bits == 32 && v > math.MaxInt32 {
		return outOfRange
	}
	if f.kind == protoreflect.EnumKind && !f.known(v) {
		return unknownNumber
	}
	t.out = append(t.out, f.tag...)
	switch f.kind {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		t.out = protowire.AppendVarint(t.out, protowire.EncodeZigZag(v))
	case protoreflect.Sfixed32Kind:
		t.out = protowire.AppendFixed32(t.out, uint32(v))
	case protoreflect.Sfixed64Kind:
		t.out = protowire.AppendFixed64(t.out, uint64(v))
	default:
		t.out = protowire.AppendVarint(t.out, uint64(v))
	}
	return ""
}

// small parses up to 18 digits, which fit into 64 bits.
func small(text []byte) (v int64, ok bool) {
	if len(text) > 18 || text[0] == '-' {
		return 0, false
	}
	for _, b := range text {
		v = v*10 + int64(b-'0')
	}
	return v, true
}

func (t *transcoder) unsigned(f *field, text []byte) string {
	bits := 64
	if f.kind == protoreflect.Uint32Kind || f.kind == protoreflect.Fixed32Kind {
		bits = 32
	}
	if string(text) == "-0" {
		text = text[1:]
	}
	n, ok := small(text)
	v := uint64(n)
	if !ok {
		var err error
		if v, err = strconv.ParseUint(string(text), 10, bits); err != nil {
			return outOfRange
		}
	}
	if bits == 32 && v > math.MaxUint32 {
		return outOfRange
	}
	t.out = append(t.out, f.tag...)
	switch f.kind {
	case protoreflect.Fixed32Kind:
		t.out = protowire.AppendFixed32(t.out, uint32(v))
	case protoreflect.Fixed64Kind:
		t.out = protowire.AppendFixed64(t.out, v)
	default:
		t.out = protowire.AppendVarint(t.out, v)
	}
	return ""
}

// bool takes any integer, of any size; only zero is false.
func (t *transcoder) bool(f *field, text []byte) string {
	t.out = append(t.out, f.tag...)
	if string(text) == "0" || string(text) == "-0" {
		t.out = append(t.out, 0)
	} else {
		t.out = append(t.out, 1)
	}
	return ""
}

// decodeBase64 decodes standard base64, dropping ASCII characters outside of the alphabet
// and ending at the padding (protocol §6.2).
func decodeBase64(text []byte) (raw []byte, ok bool) {
	raw = make([]byte, 0, len(text)/4*3)
	var group uint32
	chars, pads := 0, 0
	for _, b := range text {
		if b >= 0x80 {
			return nil, false
		}
		if b == '=' {
			if pads++; chars >= 2 && chars+pads >= 4 {
				break
			}
			continue
		}
		v, inAlphabet := base64Value(b)
		if !inAlphabet {
			continue
		}
		group, chars, pads = group<<6|v, chars+1, 0
		if chars == 4 {
			raw = append(raw, byte(group>>16), byte(group>>8), byte(group))
			group, chars = 0, 0
		}
	}
	switch {
	case chars == 0:
		return raw, true
	case chars == 2 && pads >= 2:
		return append(raw, byte(group>>4)), true
	case chars == 3 && pads >= 1:
		return append(raw, byte(group>>10), byte(group>>2)), true
	}
	return nil, false
}

func base64Value(b byte) (uint32, bool) {
	switch {
	case b >= 'A' && b <= 'Z':
		return uint32(b - 'A'), true
	case b >= 'a' && b <= 'z':
		return uint32(b-'a') + 26, true
	case b >= '0' && b <= '9':
		return uint32(b-'0') + 52, true
	case b == '+':
		return 62, true
	case b == '/':
		return 63, true
	}
	return 0, false
}
