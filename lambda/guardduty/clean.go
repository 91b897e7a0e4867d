package guardduty

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest strings a Finding holds, in bytes.
const (
	maxWord       = 128
	maxID         = 512
	maxUnreadable = 64
)

const ellipsis = "…"

// Clean makes a string from a finding safe to log, to print on a terminal and
// to store. Parts of a finding (file paths, domain names, tags, user agents) are
// the attacker's words, and GuardDuty asks to sanitize them:
// https://docs.aws.amazon.com/guardduty/latest/ug/findings-runtime-monitoring.html
//
// Each control, line-breaking, bidirectional or invisible character, and each
// invalid byte, becomes U+FFFD. Nothing is dropped, so that no string can be
// made to look exactly like another. The result has at most limit bytes and ends
// on a whole character, with an ellipsis where it was cut. Cleaning a clean
// string changes nothing.
func Clean(s string, limit int) string {
	if len(s) <= limit && isClean(s) {
		return s
	}
	var b strings.Builder
	cut := 0 // how much to keep if an ellipsis has to follow
	for _, r := range s {
		if !visible(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			return truncated(b.String(), cut, limit)
		}
		b.WriteRune(r)
		if b.Len()+len(ellipsis) <= limit {
			cut = b.Len()
		}
	}
	return b.String()
}

func truncated(s string, cut, limit int) string {
	if limit < len(ellipsis) {
		return s
	}
	return s[:cut] + ellipsis
}

func isClean(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !visible(r) }) < 0
		}
	}
	return true
}

// visible reports whether r shows. unicode.IsPrint leaves out control and format
// characters and all spaces but U+0020. It lets through a few letters and marks that
// have no glyph.
func visible(r rune) bool {
	return unicode.IsPrint(r) &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
