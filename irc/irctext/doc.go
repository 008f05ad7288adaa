// Package irctext turns rich text into lines of IRC text and back: formatting codes,
// links, and the splitting of long texts that breaks no code point, no emoji, no style
// and no URL.
package irctext
