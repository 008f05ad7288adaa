package pblite

import (
	"fmt"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/bounds"
)

// Elements cuts an array into the text of its elements, nil for one that was left out
// between commas, so that a caller can decode them one by one. It returns ErrSyntax,
// ErrTooDeep or ErrTooMany, also when data is not an array.
func Elements(data []byte) ([][]byte, error) {
	c := cursor{data: data, limit: DefaultMaxDepth, room: bounds.Elements(len(data))}
	if c.peek() != '[' {
		return nil, fmt.Errorf("%w: not an array", ErrSyntax)
	}
	var list [][]byte
	err := c.array(func(elided bool) error {
		if err := c.take(); err != nil {
			return err
		}
		if elided {
			list = append(list, nil)
			return nil
		}
		start := c.pos
		err := c.skip()
		list = append(list, data[start:c.pos])
		return err
	})
	if err == nil && (c.peek() != 0 || c.pos != len(data)) {
		err = ErrSyntax
	}
	if err != nil {
		return nil, fmt.Errorf("%w near byte %d", err, c.pos)
	}
	return list, nil
}
