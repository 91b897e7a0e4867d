package record

import (
	"slices"
	"testing"
)

func TestHolderThereAndBack(t *testing.T) {
	for _, h := range []Holder{{"i-1", 1}, {"i-0123456789abcdef0", 12}} {
		if got, err := ParseHolder(h.String()); err != nil || got != h {
			t.Errorf("%s: got %v, %v", h, got, err)
		}
	}
	for _, text := range []string{"", "i-1", "#1", "i-1#", "i-1#0", "i-1#-1", "i-1#01", "i-1#1#2", "i-1#one"} {
		if got, err := ParseHolder(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestHoldersOfASlot(t *testing.T) {
	one, nine, ten := Holder{"i-1", 1}, Holder{"i-1", 9}, Holder{"i-1", 10}
	empty := Slot{}
	s := empty.With(ten).With(one).With(nine).With(one)
	if want := []Holder{one, nine, ten}; !slices.Equal(s.Holders, want) {
		t.Errorf("got %v, want %v", s.Holders, want)
	}
	left := s.Without(nine)
	if left.HeldBy(nine) || !left.HeldBy(ten) || !s.HeldBy(nine) || len(empty.Holders) != 0 {
		t.Errorf("got %v without %s, of %v", left.Holders, nine, s.Holders)
	}
}
