package oracle_test

import (
	"testing"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// read parses a world's text.
func read(t testing.TB, text string) *world.World {
	t.Helper()
	w, err := world.Parse(text, oracle.TrackedBy)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
