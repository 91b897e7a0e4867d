//go:build integration

package main

import (
	"flag"
	"testing"
	"time"

	"tourniquet/lambda/config"
	"tourniquet/lambda/internal/runtimeapi"
)

var other = flag.String("other", "", "another build of the function, an earlier version's for one, to compare with")

// A contestant is a build and its settings that BenchmarkInTurns measures.
type contestant struct {
	name, path string
	more       []string // variables
	stage      *stage
	warm       *runtimeapi.Function

	contained, answered, cut, cpu, poll []time.Duration
	memory                              []int64
}

// BenchmarkInTurns measures containments like BenchmarkContained, of several builds and
// settings in turns: a machine's pace drifts by more than they differ by. They are this
// version, this version without what it does beside the cut, and what -other names.
// DynamoDB's answers are given again from memory.
func BenchmarkInTurns(b *testing.B) {
	for _, start := range []string{"warm", "cold"} {
		b.Run(start, func(b *testing.B) {
			all := []*contestant{
				{name: "now", path: binary(b)},
				{name: "alone", path: binary(b), more: []string{config.Protect + "=false", config.KeepAlive + "=false"}},
			}
			if *other != "" {
				all = append(all, &contestant{name: "other", path: *other})
			}
			for _, c := range all {
				c.prepare(b)
			}
			turn := 0
			for b.Loop() {
				turn++
				for n := range all {
					all[(n+turn)%len(all)].measure(b, start == "cold")
				}
			}
			for _, c := range all {
				c.report(b, start == "cold")
			}
		})
	}
}

// prepare contains once: from then on DynamoDB answers as it did.
func (c *contestant) prepare(b *testing.B) {
	b.Helper()
	c.stage = newStage(b, 1)
	c.warm = c.stage.run(b, c.path, c.more...)
	b.Cleanup(c.warm.Stop)
	c.stage.record(b, c.warm)
}

func (c *contestant) measure(b *testing.B, cold bool) {
	b.Helper()
	s, f := c.stage, c.warm
	s.next(b)
	s.reset(b)
	var before time.Duration // until the event
	if cold {
		f = s.run(b, c.path, c.more...)
		before = f.Ready()
		c.poll = append(c.poll, f.CPU())
	}
	start, used := time.Now(), f.CPU()
	if cold {
		used = 0
	}
	c.contained = append(c.contained, s.contain(b, f).Sub(start)+before)
	c.answered = append(c.answered, time.Since(start)+before)
	c.cut, c.memory = append(c.cut, s.cut.cpu()-used), append(c.memory, f.Memory())
	if cold {
		f.Stop()
	}
	c.cpu = append(c.cpu, f.CPU()-used)
}

func (c *contestant) report(b *testing.B, cold bool) {
	b.Helper()
	report(b, c.name+"-contained-ms", c.contained)
	report(b, c.name+"-answered-ms", c.answered)
	report(b, c.name+"-contained-cpu-ms", c.cut)
	report(b, c.name+"-cpu-ms", c.cpu)
	if cold {
		report(b, c.name+"-poll-cpu-ms", c.poll)
		reportMemory(b, c.name+"-memory-MB", c.memory)
	}
}
