package main

import (
	"maps"
	"slices"
	"testing"

	"tourniquet/infra/bundle"
	"tourniquet/lambda/config"
)

// TestArchitectures: what the settings accept, the bundle can build.
func TestArchitectures(t *testing.T) {
	if got := slices.Sorted(maps.Keys(bundle.Architectures)); !slices.Equal(got, []string{string(config.ARM64), string(config.X8664)}) {
		t.Errorf("the bundle builds %v", got)
	}
}
