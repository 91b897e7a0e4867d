// Package parallel runs calls of AWS side by side.
package parallel

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// A Group is errgroup's Group whose goroutines begin with a stack that a call of the SDK
// fits into. The SDK nests its functions so deep that the two KiB which Go gives a
// goroutine are doubled, and all that is on them copied, four times. The goroutines of one
// containment would do that some forty times over.
type Group struct{ *errgroup.Group }

// New returns a group whose functions do not stop each other.
func New() Group { return Group{&errgroup.Group{}} }

// WithContext returns a group, and a context that is cancelled with the first error and
// when Wait returns.
func WithContext(ctx context.Context) (Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	return Group{g}, ctx
}

// Go calls f in a goroutine of its own, once the group's limit allows it. Wait returns the
// first error of all functions.
func (g Group) Go(f func() error) {
	g.Group.Go(func() error {
		grow(-1)
		return f()
	})
}

// Go calls f in a goroutine of its own and does not wait for it. f must not read what its
// caller goes on to change: read it before.
func Go(f func()) {
	New().Go(func() error {
		beginLate()
		f()
		return nil
	})
}

// deep is what a call of the SDK needs of a stack, in bytes. A stack's size is a power of
// two, so that it becomes 32 KiB.
const deep = 20 << 10

// grow has so much on its stack that Go makes room for it, at once and while there is next
// to nothing to copy. The stack keeps its size after that. Below 0 it returns before the
// room is cleared: memory that is not touched costs nothing.
//
//go:noinline
func grow(i int) byte {
	if i < 0 {
		return 0
	}
	var room [deep]byte
	return room[i]
}
