package call

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"

	"tourniquet/lambda/simvpc/world"
)

// A Set is a list in EC2's XML, present even when empty.
type Set[T any] struct {
	Items []T `xml:"item"`
}

// SetOf is a list of the shapes of things.
func SetOf[S, T any](all []S, shape func(S) T) Set[T] {
	items := make([]T, len(all))
	for i, x := range all {
		items[i] = shape(x)
	}
	return Set[T]{items}
}

// HashID is an ID that follows from others: a rule's, an association's.
func HashID(prefix string, of ...any) string {
	h := fnv.New64a()
	fmt.Fprintln(h, of...)
	return fmt.Sprintf("%s0%016x", prefix, h.Sum64())
}

// TagShape is a tag as answers show it.
type TagShape struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// ShapeOfTags are tags as answers show them, by key.
func ShapeOfTags(t world.Tags) Set[TagShape] {
	return SetOf(slices.Sorted(maps.Keys(t)), func(key string) TagShape { return TagShape{key, t[key]} })
}

// GroupName is a security group where only its name is shown.
type GroupName struct {
	GroupID   string `xml:"groupId"`
	GroupName string `xml:"groupName"`
}

// GroupNames are groups where only their names are shown.
func GroupNames(w *world.World, ids []string) Set[GroupName] {
	return SetOf(ids, func(id string) GroupName {
		if g := w.Group(id); g != nil {
			return GroupName{id, g.Name}
		}
		return GroupName{GroupID: id}
	})
}

// AddrText is an address as EC2 prints it, nothing for none.
func AddrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Texts are the texts of things, as values of a filter.
func Texts[T fmt.Stringer](all []T) []string {
	words := make([]string, len(all))
	for i, x := range all {
		words[i] = x.String()
	}
	return words
}

// Given is a value of a filter, absent when empty.
func Given(values ...string) []string {
	return slices.DeleteFunc(values, func(s string) bool { return s == "" })
}

// TextValue is a value that an answer has in an element of its own.
type TextValue struct {
	Value string `xml:"value"`
}

// Epoch is when everything in a simulated world was made.
const Epoch = "2026-01-01T00:00:00.000Z"

// OfFamily is a prefix as text if it is of a family, and nothing otherwise.
func OfFamily(p netip.Prefix, v4 bool) string {
	if p.Addr().Is4() == v4 {
		return p.String()
	}
	return ""
}
