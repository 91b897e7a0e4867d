// Package order sorts lists with code that all types of elements share.
// slices.SortFunc compiles its own for each type, some 20 KB every time, which a function
// that starts cold has to bring into memory.
package order

import (
	"iter"
	"slices"
	"sort"
)

// Sort sorts a list by a comparison like that of slices.SortFunc: negative where a comes
// before b. Equal elements may change places.
func Sort[E any](list []E, compare func(a, b E) int) {
	sort.Sort(by[E]{list, compare})
}

// Sorted collects elements into a list that is sorted so, like slices.SortedFunc.
func Sorted[E any](all iter.Seq[E], compare func(a, b E) int) []E {
	list := slices.Collect(all)
	Sort(list, compare)
	return list
}

// Stable is Sort that keeps the order of equal elements.
func Stable[E any](list []E, compare func(a, b E) int) {
	sort.Stable(by[E]{list, compare})
}

type by[E any] struct {
	list    []E
	compare func(a, b E) int
}

func (b by[E]) Len() int           { return len(b.list) }
func (b by[E]) Less(i, j int) bool { return b.compare(b.list[i], b.list[j]) < 0 }
func (b by[E]) Swap(i, j int)      { b.list[i], b.list[j] = b.list[j], b.list[i] }
