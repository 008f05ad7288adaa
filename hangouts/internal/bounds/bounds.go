// Package bounds limits what an input may cost before it is taken apart: a message or an array of a
// few bytes becomes a value of a hundred and more.
package bounds

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ErrTooMuch means that an input nests too deeply or has more elements than its size justifies.
var ErrTooMuch = errors.New("nested too deeply or too many elements")

// MaxDepth is how deep messages, arrays and objects may nest.
const MaxDepth = 100

// Elements is how many messages, arrays and objects an input of so many bytes may have. Real ones
// have one for each 20 to 50 bytes.
func Elements(size int) int { return min(1<<14+size/8, 1<<19) }

// JSON checks a JSON text. It accepts what is no JSON, as long as it is no burden.
func JSON(data []byte) error {
	limit, elements, depth := Elements(len(data)), 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i)
		case '[', '{':
			depth++
			elements++
		case ']', '}':
			depth--
		case ',':
			elements++
		}
		if depth > MaxDepth || elements > limit {
			return ErrTooMuch
		}
	}
	return nil
}

// stringEnd is the place of the quotation mark that ends a string.
func stringEnd(data []byte, at int) int {
	for at++; at < len(data) && data[at] != '"'; at++ {
		if data[at] == '\\' {
			at++
		}
	}
	return at
}

// Proto checks a message in binary form. It accepts what is malformed, which decoding refuses.
func Proto(data []byte, message protoreflect.MessageDescriptor) error {
	left := Elements(len(data))
	if !spend(data, message, &left, MaxDepth) {
		return ErrTooMuch
	}
	return nil
}

// spend takes the messages in data off what is left; false means that it is not enough.
func spend(data []byte, message protoreflect.MessageDescriptor, left *int, depth int) bool {
	if *left--; *left < 0 || depth == 0 {
		return false
	}
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return true
		}
		size := protowire.ConsumeFieldValue(number, kind, data[n:])
		if size < 0 {
			return true
		}
		field := message.Fields().ByNumber(number)
		if kind == protowire.BytesType && field != nil && field.Message() != nil {
			if body, k := protowire.ConsumeBytes(data[n:]); k > 0 && !spend(body, field.Message(), left, depth-1) {
				return false
			}
		}
		if kind == protowire.BytesType && field != nil && field.Message() == nil && field.IsList() {
			if *left--; *left < 0 {
				return false
			}
		}
		data = data[n+size:]
	}
	return true
}
