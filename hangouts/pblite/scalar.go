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
	if f.kind == protoreflect.BoolKind {
		return t.bool(f, text)
	}
	v, ok := f.parse(text)
	if !ok {
		return outOfRange
	}
	if f.values != nil && !f.known(int64(v)) {
		return unknownNumber
	}
	t.out = append(t.out, f.tag...)
	switch {
	case f.wire == protowire.Fixed32Type:
		t.out = protowire.AppendFixed32(t.out, uint32(v))
	case f.wire == protowire.Fixed64Type:
		t.out = protowire.AppendFixed64(t.out, v)
	case f.zigzag:
		t.out = protowire.AppendVarint(t.out, protowire.EncodeZigZag(int64(v)))
	default:
		t.out = protowire.AppendVarint(t.out, v)
	}
	return ""
}

// parse reads an integer of the field's size.
func (f *field) parse(text []byte) (v uint64, ok bool) {
	if text[0] != '-' && (len(text) <= 9 || len(text) <= 18 && f.bits == 64) { // so many digits fit
		for _, b := range text {
			v = v*10 + uint64(b-'0')
		}
		return v, true
	}
	if f.unsigned && string(text) != "-0" {
		v, err := strconv.ParseUint(string(text), 10, f.bits)
		return v, err == nil
	}
	n, err := strconv.ParseInt(string(text), 10, f.bits)
	return uint64(n), err == nil
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
