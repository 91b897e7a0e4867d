package world

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A line is one line of a world's text, read word by word.
type line struct {
	number int
	kind   string   // the first word, once read
	words  []string // raw: quotes still on
}

// tokenize splits a line into words at spaces outside quotes, and drops a comment.
func tokenize(number int, text string) (*line, error) {
	l := &line{number: number}
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if text == "" || text[0] == '#' {
			return l, nil
		}
		end := 0
		for end < len(text) {
			r, size := utf8.DecodeRuneInString(text[end:])
			if unicode.IsSpace(r) {
				break
			}
			if r != '"' {
				end += size
				continue
			}
			quoted, err := strconv.QuotedPrefix(text[end:])
			if err != nil {
				return nil, fmt.Errorf("line %d: a quote that is not closed, or bad: %s", number, text[end:])
			}
			end += len(quoted)
		}
		l.words = append(l.words, text[:end])
		text = text[end:]
	}
}

// errorf is an error that names line, kind and field.
func (l *line) errorf(field, format string, args ...any) error {
	return fmt.Errorf("line %d: %s: %s: %w", l.number, l.kind, field, fmt.Errorf(format, args...))
}

// next takes the next word, which must be there.
func (l *line) next(field string) (string, error) {
	if len(l.words) == 0 {
		return "", l.errorf(field, "missing")
	}
	word := l.words[0]
	l.words = l.words[1:]
	s, err := unquote(word)
	if err != nil {
		return "", l.errorf(field, "%w", err)
	}
	return s, nil
}

// id takes the next word, which must be an ID with that prefix.
func (l *line) id(field, prefix string) (string, error) {
	s, err := l.next(field)
	if err != nil {
		return "", err
	}
	if !ValidID(s, prefix) {
		return "", l.errorf(field, "%q: want %s followed by small letters, digits and hyphens", s, prefix)
	}
	return s, nil
}

// ids takes all following words that look like IDs with that prefix.
func (l *line) ids(field, prefix string) ([]string, error) {
	var all []string
	for len(l.words) > 0 && strings.HasPrefix(l.words[0], prefix) {
		word := l.words[0]
		l.words = l.words[1:]
		for s := range strings.SplitSeq(word, ",") {
			if !ValidID(s, prefix) {
				return nil, l.errorf(field, "%q: want %s followed by small letters, digits and hyphens", s, prefix)
			}
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, l.errorf(field, "want at least one ID that begins with %s", prefix)
	}
	return all, nil
}

// prefixes takes all following words that are CIDRs.
func (l *line) prefixes(field string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for len(l.words) > 0 && strings.Contains(l.words[0], "/") && !strings.Contains(l.words[0], "=") {
		p, err := ParseCIDR(l.words[0])
		if err != nil {
			return nil, l.errorf(field, "%w", err)
		}
		all = append(all, p)
		l.words = l.words[1:]
	}
	if len(all) == 0 {
		return nil, l.errorf(field, "want at least one CIDR")
	}
	return all, nil
}

// addresses takes all following words that are addresses.
func (l *line) addresses() []netip.Addr {
	var all []netip.Addr
	for len(l.words) > 0 {
		a, err := netip.ParseAddr(l.words[0])
		if err != nil || a.Zone() != "" {
			break
		}
		all = append(all, a.Unmap())
		l.words = l.words[1:]
	}
	return all
}

// tags takes all following words of the form key=value.
func (l *line) tags() (Tags, error) {
	tags := Tags{}
	for len(l.words) > 0 {
		key, value, ok, err := splitTag(l.words[0])
		if err != nil {
			return nil, l.errorf("tags", "%w", err)
		}
		if !ok {
			break
		}
		if _, twice := tags[key]; twice {
			return nil, l.errorf("tags", "%q is given twice", key)
		}
		tags[key] = value
		l.words = l.words[1:]
	}
	if len(tags) == 0 {
		return nil, l.errorf("tags", "want key=value; texts with spaces quoted as in Name=\"my web\"")
	}
	return tags, nil
}

func (l *line) duration(field string) (time.Duration, error) {
	s, err := l.next(field)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d%time.Second != 0 {
		return 0, l.errorf(field, "%q: want whole seconds, such as 350s or 5m", s)
	}
	return d, nil
}

func (l *line) integer(field string) (int, error) {
	s, err := l.next(field)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, l.errorf(field, "invalid number %q", s)
	}
	return n, nil
}

// options reads the rest of the line as keywords, each handled by its function.
func (l *line) options(handle map[string]func() error) error {
	seen := map[string]bool{}
	for len(l.words) > 0 {
		word, err := l.next("keyword")
		if err != nil {
			return err
		}
		f := handle[word]
		if f == nil {
			return l.errorf(word, "unknown keyword")
		}
		if seen[word] {
			return l.errorf(word, "given twice")
		}
		seen[word] = true
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// set makes a handler that takes one word into a string.
func (l *line) set(field string, into *string) func() error {
	return func() (err error) {
		*into, err = l.next(field)
		if err == nil && *into == "" {
			err = l.errorf(field, "empty")
		}
		return err
	}
}

// setTags makes a handler that takes tags.
func (l *line) setTags(into *Tags) func() error {
	return func() (err error) {
		*into, err = l.tags()
		return err
	}
}

// mark makes a handler for a keyword that stands alone.
func mark(into *bool) func() error {
	return func() error {
		*into = true
		return nil
	}
}

func unquote(word string) (string, error) {
	if !strings.HasPrefix(word, `"`) {
		return word, nil
	}
	s, err := strconv.Unquote(word)
	if err != nil {
		return "", fmt.Errorf("%s: bad quotes", word)
	}
	return s, nil
}

// quote puts quotes on a text that would not be read back as it is.
func quote(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune("\"#=\\", r)
	}) && !strings.ContainsRune(s, unicode.ReplacementChar)
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// splitTag splits a raw word at the "=" between key and value, each of which may be quoted.
func splitTag(word string) (key, value string, ok bool, err error) {
	var rest string
	if strings.HasPrefix(word, `"`) {
		quoted, err := strconv.QuotedPrefix(word)
		if err != nil {
			return "", "", false, fmt.Errorf("%s: bad quotes", word)
		}
		if key, err = strconv.Unquote(quoted); err != nil {
			return "", "", false, fmt.Errorf("%s: bad quotes", word)
		}
		rest, ok = strings.CutPrefix(word[len(quoted):], "=")
	} else {
		key, rest, ok = strings.Cut(word, "=")
	}
	if !ok {
		return "", "", false, nil
	}
	value, err = unquote(rest)
	return key, value, err == nil, err
}

// ParseCIDR reads a CIDR, and clears its host bits as EC2 does.
func ParseCIDR(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("invalid CIDR %q", s)
	}
	return p.Masked(), nil
}

// ValidID reports whether an ID is well formed. Worlds may use short ones such
// as eni-1, so that only prefix and characters count.
func ValidID(id, prefix string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	if !ok || rest == "" || len(id) > 64 {
		return false
	}
	for _, r := range rest {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}
