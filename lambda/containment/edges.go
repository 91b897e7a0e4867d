package containment

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tourniquet/lambda/network"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// isolates reports whether subnets may be isolated by this run.
func (c *containing) isolates() bool { return c.in.Isolate || c.r.Rules.Isolate == plan.IsolateTagged }

// readEdges begins to read the edges of the subnets that are known, beside everything
// else. What it returns waits for them.
func (c *containing) readEdges(ctx context.Context) func() (network.Edges, error) {
	subnets, vpcs := c.subnets(), c.vpcs() // now: the next observation replaces the last one while the edges are read
	if !c.isolates() || len(subnets) == 0 {
		return func() (network.Edges, error) { return network.Edges{}, nil }
	}
	type read struct {
		edges network.Edges
		err   error
	}
	done := make(chan read, 1)
	parallel.Go(func() {
		edges, err := c.r.EC2.Edges(ctx, subnets, vpcs)
		done <- read{edges, err}
	})
	return func() (network.Edges, error) {
		r := <-done
		return r.edges, r.err
	}
}

// completeEdges reads the edges that the first look has not: of subnets that no finding
// names, and of those that the record has isolated.
func (c *containing) completeEdges(ctx context.Context, seen *network.Network, known record.Known) error {
	open := known.Open()
	if !c.isolates() && (open == nil || len(open.Isolated()) == 0) {
		return nil
	}
	missing := false
	for id := range seen.Subnets {
		_, read := seen.Edges.Of[id]
		missing = missing || !read
	}
	if !missing {
		return nil
	}
	subnets := slices.Sorted(maps.Keys(seen.Subnets))
	edges, err := c.r.EC2.Edges(ctx, subnets, seen.VPCs())
	if err != nil {
		return fmt.Errorf("looking at the edges of %v: %w", subnets, err)
	}
	seen.Edges = edges
	return nil
}

// edges reads the edges of the subnets that a release has to open. One that EC2 does not
// show is missing: only a second look tells that it is gone.
func (c *releasing) edges(ctx context.Context, seen *network.Network, known record.Known) error {
	if known.Record == nil {
		return nil
	}
	subnets := known.Record.Isolated()
	if len(subnets) == 0 {
		return nil
	}
	edges, err := c.r.EC2.Edges(ctx, subnets, nil)
	if err != nil {
		return fmt.Errorf("looking at the edges of %v: %w", subnets, err)
	}
	seen.Edges = edges
	for _, id := range subnets {
		if _, there := edges.Of[id]; !there {
			seen.Missing = append(seen.Missing, id)
		}
	}
	slices.Sort(seen.Missing)
	return nil
}

// subnets and vpcs are where the instance is, by the observation before or by the finding.
func (c *containing) subnets() []string {
	if len(c.last.Subnets) > 0 {
		return slices.Sorted(maps.Keys(c.last.Subnets))
	}
	return c.in.Subnets
}

func (c *containing) vpcs() []string {
	if len(c.last.Interfaces) > 0 {
		return c.last.VPCs()
	}
	return c.in.VPCs
}
