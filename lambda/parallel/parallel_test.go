package parallel

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestGroup(t *testing.T) {
	t.Parallel()
	failure := errors.New("failed")
	var ran atomic.Int64
	g := New()
	g.SetLimit(2)
	for n := range 10 {
		g.Go(func() error {
			ran.Add(1)
			if n == 3 {
				return failure
			}
			return nil
		})
	}
	if err := g.Wait(); !errors.Is(err, failure) || ran.Load() != 10 {
		t.Errorf("%d of 10 ran, and Wait returned %v", ran.Load(), err)
	}
}

func TestFirstErrorCancels(t *testing.T) {
	t.Parallel()
	failure := errors.New("failed")
	g, ctx := WithContext(t.Context())
	g.Go(func() error { return failure })
	g.Go(func() error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err := g.Wait(); !errors.Is(err, failure) {
		t.Errorf("Wait returned %v", err)
	}
	if !errors.Is(context.Cause(ctx), failure) {
		t.Errorf("the context ended for %v", context.Cause(ctx))
	}
}

// What goes on beside the work may be held up for as long as it takes.
func TestGoWaitsForNothing(t *testing.T) {
	t.Parallel()
	held, ran := make(chan struct{}), make(chan struct{})
	Go(func() { <-held; close(ran) })
	close(held) // not reached if Go waited
	<-ran
}

// nested takes as much stack as a call of the SDK, in as many steps.
//
//go:noinline
func nested(depth int) int {
	var frame [160]byte
	frame[depth%len(frame)] = byte(depth)
	if depth == 0 {
		return int(frame[0])
	}
	return nested(depth-1) + int(frame[depth%len(frame)])
}

// BenchmarkNested is what a goroutine costs that goes as deep as a call of the SDK, with
// errgroup's Group and with ours.
func BenchmarkNested(b *testing.B) {
	const calls, depth = 12, 90
	for name, begin := range map[string]func() (do func(func() error), wait func() error){
		"errgroup": func() (func(func() error), func() error) { g := &errgroup.Group{}; return g.Go, g.Wait },
		"parallel": func() (func(func() error), func() error) { g := New(); return g.Go, g.Wait },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				do, wait := begin()
				for range calls {
					do(func() error { nested(depth); return nil })
				}
				if err := wait(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
