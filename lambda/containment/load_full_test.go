//go:build integration

package containment_test

import "testing"

// A thousand findings at once. It needs no emulator, only time.
func TestBurstOfAThousand(t *testing.T) {
	testBurst(t, big)
}
