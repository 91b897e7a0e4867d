package world

import (
	"fmt"
	"strings"
)

// A field is a keyword of a line with its value: how it is read, and how it is
// printed, which is not at all when it is as derived. A kind of line that lists
// its fields once is read and printed alike.
type field struct {
	word  string
	read  func(l *line) error
	print func() string
}

// text is a field of one word or quoted text.
func text(word string, v *string, derived string) field {
	return field{word, func(l *line) error { return l.set(word, v)() }, func() string { return option(word, *v, derived) }}
}

// mustText is a field that is always printed.
func mustText(word string, v *string) field {
	f := text(word, v, "")
	f.print = func() string { return word + " " + quote(*v) }
	return f
}

// choice is a field of one of some words.
func choice(word string, v *string, derived string, words ...string) field {
	f := text(word, v, derived)
	f.read = func(l *line) error {
		s, err := l.next(word)
		if err != nil {
			return err
		}
		for _, w := range words {
			if s == w {
				*v = s
				return nil
			}
		}
		return l.errorf(word, "%q: want one of %s", s, strings.Join(words, ", "))
	}
	return f
}

// flagged is a keyword that stands alone.
func flagged(word string, v *bool) field {
	return field{word, func(*line) error { *v = true; return nil }, func() string { return flag(word, *v) }}
}

// number is a field of a number that is not negative.
func number(word string, v *int, derived int) field {
	return field{
		word,
		func(l *line) (err error) { *v, err = l.integer(word); return err },
		func() string { return option(word, fmt.Sprint(*v), fmt.Sprint(derived)) },
	}
}

// tagged are the tags of a resource.
func tagged(v *Tags) field {
	return field{"tags", func(l *line) error { return l.setTags(v)() }, func() string { return v.text() }}
}

// fields reads the rest of a line.
func (l *line) fields(all []field) error {
	handle := map[string]func() error{}
	for _, f := range all {
		handle[f.word] = func() error { return f.read(l) }
	}
	return l.options(handle)
}

// printFields writes a line.
func printFields(b *strings.Builder, words []string, all []field) {
	for _, f := range all {
		words = append(words, f.print())
	}
	printLine(b, words...)
}
