package media

import "errors"

var (
	// ErrTooLarge: the file has more bytes than it may have.
	ErrTooLarge = errors.New("the file is too large")
	// ErrTooManyPixels: whoever opened the picture would need too much memory for it.
	ErrTooManyPixels = errors.New("the picture has too many pixels")
	// ErrEmpty: the file has no bytes.
	ErrEmpty = errors.New("the file is empty")
	// ErrIncomplete: the file has fewer bytes than were announced.
	ErrIncomplete = errors.New("the file was cut off")
	// ErrStalled: no byte came for too long, or the whole took too long.
	ErrStalled = errors.New("the file does not arrive")
	// ErrType: the bytes are of another type than wanted.
	ErrType = errors.New("the file is of another type")
)
