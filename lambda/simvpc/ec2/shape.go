package ec2

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"

	"tourniquet/lambda/simvpc/world"
)

// A set is a list in EC2's XML, present even when empty.
type set[T any] struct {
	Items []T `xml:"item"`
}

func setOf[S, T any](all []S, shape func(S) T) set[T] {
	items := make([]T, len(all))
	for i, x := range all {
		items[i] = shape(x)
	}
	return set[T]{items}
}

// hashID is an ID that follows from others: a rule's, an association's.
func hashID(prefix string, of ...any) string {
	h := fnv.New64a()
	fmt.Fprintln(h, of...)
	return fmt.Sprintf("%s0%016x", prefix, h.Sum64())
}

type tagShape struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func shapeOfTags(t world.Tags) set[tagShape] {
	return setOf(slices.Sorted(maps.Keys(t)), func(key string) tagShape { return tagShape{key, t[key]} })
}

type groupName struct {
	GroupID   string `xml:"groupId"`
	GroupName string `xml:"groupName"`
}

func groupNames(w *world.World, ids []string) set[groupName] {
	return setOf(ids, func(id string) groupName {
		if g := w.Group(id); g != nil {
			return groupName{id, g.Name}
		}
		return groupName{GroupID: id}
	})
}

// addrText is an address as EC2 prints it, nothing for none.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func texts[T fmt.Stringer](all []T) []string {
	words := make([]string, len(all))
	for i, x := range all {
		words[i] = x.String()
	}
	return words
}

// given is a value of a filter, absent when empty.
func given(values ...string) []string {
	return slices.DeleteFunc(values, func(s string) bool { return s == "" })
}

type textValue struct {
	Value string `xml:"value"`
}

// epoch is when everything in a simulated world was made.
const epoch = "2026-01-01T00:00:00.000Z"
