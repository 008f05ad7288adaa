package names

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// ascii returns how a letter or digit is written in ASCII, or "" if no usual way is known.
func ascii(r rune) string {
	if r < 0x80 {
		return string(r)
	}
	if s, ok := romanised[unicode.ToLower(r)]; ok {
		if unicode.IsUpper(r) && s != "" {
			return string(unicode.ToUpper(rune(s[0]))) + s[1:]
		}
		return s
	}
	base := []rune(norm.NFD.String(string(r)))[0]
	if base < 0x80 {
		return string(base)
	}
	if base != r {
		return ascii(base)
	}
	return ""
}

// romanised holds the Latin, Greek and Cyrillic letters that are not an ASCII letter
// with an accent.
var romanised = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ı': "i", 'ħ': "h", 'ŋ': "n", 'ə': "e",
	'α': "a", 'β': "v", 'γ': "g", 'δ': "d", 'ε': "e", 'ζ': "z", 'η': "i", 'θ': "th", 'ι': "i", 'κ': "k", 'λ': "l", 'μ': "m",
	'ν': "n", 'ξ': "x", 'ο': "o", 'π': "p", 'ρ': "r", 'σ': "s", 'ς': "s", 'τ': "t", 'υ': "y", 'φ': "f", 'χ': "ch", 'ψ': "ps", 'ω': "o",
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'е': "e", 'ё': "yo", 'ж': "zh", 'з': "z", 'и': "i", 'й': "y", 'к': "k",
	'л': "l", 'м': "m", 'н': "n", 'о': "o", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u", 'ф': "f", 'х': "kh", 'ц': "ts",
	'ч': "ch", 'ш': "sh", 'щ': "shch", 'ъ': "", 'ы': "y", 'ь': "", 'э': "e", 'ю': "yu", 'я': "ya",
	'і': "i", 'ї': "yi", 'є': "ye", 'ґ': "g", 'ў': "u", 'ј': "j", 'љ': "lj", 'њ': "nj", 'ћ': "c", 'ђ': "dj", 'џ': "dz", 'ѕ': "z", 'ќ': "k", 'ѓ': "g",
}

// lookalikes maps characters (lower case, decomposed) to the one that they are taken for.
// "[]\^" stand for "{}|~", which the casemapping rfc1459 makes equal.
var lookalikes = map[rune]rune{
	'0': 'o', '1': 'l', '[': '{', ']': '}', '\\': '|', '^': '~',
	'а': 'a', 'в': 'b', 'е': 'e', 'к': 'k', 'м': 'm', 'н': 'h', 'о': 'o', 'р': 'p', 'с': 'c', 'т': 't', 'у': 'y', 'х': 'x',
	'і': 'i', 'ј': 'j', 'ѕ': 's', 'ԁ': 'd', 'һ': 'h', 'ѵ': 'v',
	'α': 'a', 'β': 'b', 'ε': 'e', 'η': 'n', 'ι': 'i', 'κ': 'k', 'μ': 'u', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ω': 'w',
	'ı': 'i', 'ł': 'l', 'ø': 'o', 'đ': 'd', 'ħ': 'h', 'ß': 'b', 'ſ': 's',
}
