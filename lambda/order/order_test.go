package order_test

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/order"
)

type pair struct{ key, place int }

// Both sort as package slices does.
func TestSorts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []pair
		for place, key := range rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "keys") {
			list = append(list, pair{key, place})
		}
		byKey := func(a, b pair) int { return cmp.Compare(a.key, b.key) }
		want := slices.Clone(list)
		slices.SortStableFunc(want, byKey)
		stable := slices.Clone(list)
		order.Stable(stable, byKey)
		if !slices.Equal(stable, want) {
			t.Errorf("got %v, want %v", stable, want)
		}
		if sorted := order.Sorted(slices.Values(list), byKey); !slices.IsSortedFunc(sorted, byKey) || len(sorted) != len(list) {
			t.Errorf("Sorted makes %v of %v", sorted, list)
		}
		order.Sort(list, byKey)
		if !slices.IsSortedFunc(list, byKey) {
			t.Errorf("Sort leaves %v", list)
		}
		slices.SortFunc(list, func(a, b pair) int { return cmp.Or(byKey(a, b), cmp.Compare(a.place, b.place)) })
		if !slices.Equal(list, want) {
			t.Errorf("Sort has %v, want the elements of %v", list, want)
		}
	})
}
