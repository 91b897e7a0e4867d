//go:build integration

package main

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tourniquet/lambda/config"
	"tourniquet/lambda/internal/runtimeapi"
)

var other = flag.String("other", "", "another build of the function, an earlier version's for one, to compare with")

// A contestant is a build and its settings that are measured.
type contestant struct {
	name, path string   // the name: before each of its units, if there are several
	more       []string // variables
	stage      *stage
	warm       *runtimeapi.Function

	contained, answered, dynamo, cut, cpu, poll []time.Duration
	memory                                      []int64
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
			rng := rand.New(rand.NewPCG(1, 2)) // none always comes after the same one
			for b.Loop() {
				for _, n := range rng.Perm(len(all)) {
					all[n].measure(b, start == "cold")
				}
			}
			for _, c := range all {
				c.report(b, start == "cold")
			}
		})
	}
}

// prepare gives a contestant a stage of its own, and a copy of its build: how a file was
// written decides how its pages come into memory, which is up to 5 % of a cold start's
// processor time.
func (c *contestant) prepare(b *testing.B) {
	b.Helper()
	program, err := os.ReadFile(c.path)
	if err != nil {
		b.Fatal(err)
	}
	c.path = filepath.Join(b.TempDir(), c.name)
	if err := os.WriteFile(c.path, program, 0o700); err != nil {
		b.Fatal(err)
	}
	c.stage = newStage(b, 1)
	c.begin(b, true)
}

// begin starts the process that is warm, by containing once. If replayed, DynamoDB answers
// from then on as it did.
func (c *contestant) begin(b *testing.B, replayed bool) {
	b.Helper()
	c.warm = c.stage.run(b, c.path, c.more...)
	b.Cleanup(c.warm.Stop)
	c.stage.contain(b, c.warm)
	if replayed {
		c.stage.delay.replay(c.stage.before.Instances[0].ID)
	}
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
	c.dynamo = append(c.dynamo, s.delay.share())
	if cold {
		f.Stop()
	}
	c.cpu = append(c.cpu, f.CPU()-used)
}

func (c *contestant) report(b *testing.B, cold bool) {
	b.Helper()
	of := ""
	if c.name != "" {
		of = c.name + "-"
	}
	report(b, of+"contained-ms", c.contained)
	report(b, of+"answered-ms", c.answered)
	report(b, of+"dynamodb-ms", c.dynamo)
	report(b, of+"contained-cpu-ms", c.cut)
	report(b, of+"cpu-ms", c.cpu)
	if cold {
		report(b, of+"poll-cpu-ms", c.poll)
		reportMemory(b, of+"memory-MB", c.memory)
	}
}
