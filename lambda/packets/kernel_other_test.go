//go:build !linux

package packets

import (
	"testing"

	"tourniquet/lambda/simvpc/world"
)

func kernelMissing() string { return "it needs Linux" }

func newKernel(testing.TB, *world.World) judge { return nil }
