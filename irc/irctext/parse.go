package irctext

import (
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Parse reads one line of IRC text: bold, italic, underline and strikethrough become
// styles, URLs become links; colours, reverse, monospace and unknown control characters
// are dropped.
func Parse(line string) chat.Text {
	var out chat.Text
	var run strings.Builder
	var st style
	flush := func() {
		if run.Len() > 0 {
			text := st.apply(chat.Segment{Kind: chat.SegmentText, Text: run.String()})
			out = append(out, chat.Text{text}.Linked()...)
			run.Reset()
		}
	}
	for i := 0; i < len(line); i++ {
		next := st
		switch b := line[i]; b {
		case codeBold:
			next ^= bold
		case codeItalic:
			next ^= italic
		case codeUnderline:
			next ^= underline
		case codeStrike:
			next ^= strike
		case codeReset:
			next = 0
		case codeColour:
			i += pairLen(line[i+1:], isDigit, 1, 2)
		case codeHexColour:
			i += pairLen(line[i+1:], isHex, 6, 6)
		default:
			if b >= ' ' && b != 0x7f || b == '\t' {
				run.WriteByte(b)
			}
		}
		if next != st {
			flush()
			st = next
		}
	}
	flush()
	return out
}

// pairLen is the length of "N" or "N,N" at the start of s, where N has min to max bytes
// of a class. A comma without N behind it is text.
func pairLen(s string, class func(byte) bool, minLen, maxLen int) int {
	one := func(s string) int {
		n := 0
		for n < len(s) && n < maxLen && class(s[n]) {
			n++
		}
		if n < minLen {
			return 0
		}
		return n
	}
	n := one(s)
	if n > 0 && n < len(s) && s[n] == ',' {
		if second := one(s[n+1:]); second > 0 {
			n += 1 + second
		}
	}
	return n
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isHex(b byte) bool { return isDigit(b) || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }
