package simvpc

import (
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// ParseWorld reads a world from its text, which package world describes. A flow
// that doesn't say which interfaces track it has the tracking entries that EC2
// would make. The error names line and field, of every line that is wrong.
func ParseWorld(text string) (*world.World, error) {
	return world.Parse(text, oracle.TrackedBy)
}
