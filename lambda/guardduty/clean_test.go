package guardduty

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		in    string
		limit int
		want  string
	}{
		{"plain", "web-1", 10, "web-1"},
		{"empty", "", 10, ""},
		{"other scripts", "Zürich 東京 🌋", 40, "Zürich 東京 🌋"},
		{"line breaks", "a\nb\r\tc\u2028d", 20, "a\ufffdb\ufffd\ufffdc\ufffdd"},
		{"escape sequence", "\x1b[2Jgone", 20, "\ufffd[2Jgone"},
		{"bidirectional override", "photo\u202egpj.exe", 40, "photo\ufffdgpj.exe"},
		{"zero width", "tourniquet:\u200bexempt", 40, "tourniquet:\ufffdexempt"},
		{"unseen letter", "a\u3164b", 20, "a\ufffdb"},
		{"no-break space", "a\u00a0b", 20, "a\ufffdb"},
		{"invalid UTF-8", "a\xff\xfeb", 20, "a\ufffd\ufffdb"},
		{"exactly fits", "0123456789", 10, "0123456789"},
		{"cut", "0123456789a", 10, "0123456…"},
		{"cut between characters", "ééééé", 7, "éé…"},
		{"no room for the ellipsis", "abc", 2, "ab"},
		{"no room", "abc", 0, ""},
		{"grows past the limit", "\xff\xff\xff\xff", 6, "\ufffd…"},
	}
	for _, test := range tests {
		if got := Clean(test.in, test.limit); got != test.want {
			t.Errorf("%s: Clean(%q, %d) = %q, want %q", test.name, test.in, test.limit, got, test.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("web-1", 10)
	f.Add("photo\u202egpj.exe\x1b[31m\xff\n", 12)
	f.Add(strings.Repeat("é\u3164", 40), 64)
	f.Add("abc", -1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		got := Clean(s, limit)
		if len(got) > max(limit, 0) {
			t.Errorf("Clean(%q, %d) has %d bytes", s, limit, len(got))
		}
		if problem := unclean(got); problem != "" {
			t.Errorf("Clean(%q, %d) = %q: %s", s, limit, got, problem)
		}
		if again := Clean(got, limit); again != got {
			t.Errorf("Clean(%q, %d) = %q, and cleaned again %q", s, limit, got, again)
		}
	})
}

// unclean says what is wrong with a string that should be clean. It doesn't
// share the definition that Clean uses.
func unclean(s string) string {
	if !utf8.ValidString(s) {
		return "invalid UTF-8"
	}
	for _, r := range s {
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) || unicode.IsSpace(r) && r != ' ' {
			return fmt.Sprintf("holds %U", r)
		}
	}
	return ""
}
