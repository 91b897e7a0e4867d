//go:build integration

package containment_test

import (
	"testing"
	"testing/synctest"
)

// What follows needs no emulator, only time.

// A thousand findings at once.
func TestBurstOfAThousand(t *testing.T) {
	testBurst(t, big)
}

// A thousand contained instances are reconciled within one invocation.
func TestReconcileAThousand(t *testing.T) {
	c := crew{1000, 5}
	synctest.Test(t, func(t *testing.T) { c.testStanding(t, 20+8*4) })
}

// A reconcile of two hundred, all of which have drifted, stands in nobody's way.
func TestContainmentBesideAReconcileOf200(t *testing.T) {
	testBeside(t, crew{200, 1})
}
