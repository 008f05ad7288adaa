package irctext

import (
	"unicode"
	"unicode/utf8"
)

const zeroWidthJoiner = '\u200d'

// graphemeLen is the length in bytes of the first grapheme of s: a code point with its
// combining marks, a sequence of emoji joined by ZERO WIDTH JOINER, a flag. It follows
// the rules of UAX #29 as far as breaking a line needs them.
func graphemeLen(s string) int {
	first, n := utf8.DecodeRuneInString(s)
	prev := first
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		switch {
		case extends(r), prev == zeroWidthJoiner && !unicode.IsSpace(r):
		case isFlag(first) && isFlag(r) && n == utf8.RuneLen(first): // two letters make a flag
		case isHangul(prev) && isHangulTail(r):
		default:
			return n
		}
		n += size
		prev = r
	}
	return n
}

// extends reports whether r belongs to the code point before it.
func extends(r rune) bool {
	return r == zeroWidthJoiner || r == '\u200c' || unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) ||
		r >= 0x1F3FB && r <= 0x1F3FF || // skin tones
		r >= 0xE0020 && r <= 0xE007F // tags of flags
}

func isFlag(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

func isHangul(r rune) bool { return r >= 0x1100 && r <= 0x11FF || r >= 0xAC00 && r <= 0xD7A3 }

func isHangulTail(r rune) bool { return r >= 0x1160 && r <= 0x11FF }

// CutGraphemes returns at most n bytes of s without breaking a grapheme.
func CutGraphemes(s string, n int) string {
	end := 0
	for end < len(s) {
		size := graphemeLen(s[end:])
		if end+size > n {
			break
		}
		end += size
	}
	return s[:end]
}
