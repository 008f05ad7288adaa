package pblite

import "fmt"

// Elements cuts an array into the text of its elements, nil for one that was left out
// between commas, so that a caller can decode them one by one. It returns ErrSyntax or
// ErrTooDeep, also when data is not an array.
func Elements(data []byte) ([][]byte, error) {
	c := cursor{data: data, limit: DefaultMaxDepth}
	if c.peek() != '[' {
		return nil, fmt.Errorf("%w: not an array", ErrSyntax)
	}
	var list [][]byte
	err := c.array(func(elided bool) error {
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
