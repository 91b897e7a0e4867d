package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Isolate says which subnets may be cut off.
type Isolate string

// Which subnets to cut off. The empty one is off too.
const (
	IsolateOff    Isolate = "off"
	IsolateTagged Isolate = "tagged" // those whose owner's tag allows it
)

func (i Isolate) on() bool { return i != "" && i != IsolateOff }

// underneath is the network as it is below an isolation of ours: a subnet keeps its own
// ACL, in which peers are denied all the same, so that they stay cut after a release. No
// isolation ACL ever gets an entry.
func underneath(seen network.Network, known record.Known) network.Network {
	if len(seen.Edges.Of) == 0 {
		return seen
	}
	seen.Subnets, seen.ACLs = maps.Clone(seen.Subnets), maps.Clone(seen.ACLs)
	for id, subnet := range seen.Subnets {
		if !seen.Edges.Isolates(subnet.ACL) {
			continue
		}
		was, recorded := recordedIsolation(known, id)
		if own := first(was.Before); recorded && seen.Edges.ACLs[own].ID != "" {
			subnet.ACL = own
			seen.Subnets[id], seen.ACLs[own] = subnet, seen.Edges.ACLs[own]
		}
	}
	maps.DeleteFunc(seen.ACLs, func(id string, _ network.ACL) bool { return seen.Edges.Isolates(id) })
	return seen
}

func recordedIsolation(known record.Known, subnet string) (record.Replacement, bool) {
	if open := known.Open(); open != nil {
		s, there := open.Step(record.IsolationOf(subnet, "", "").ID())
		if r, ok := s.Step.(record.Replacement); there && ok {
			return r, true
		}
	}
	return record.Replacement{}, false
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// isolate plans that nothing crosses the edge of a subnet in which the instance is alone.
func (p *planner) isolate() {
	for _, id := range slices.Sorted(maps.Keys(p.seen.Subnets)) {
		edge, read := p.seen.Edges.Of[id]
		if !read {
			continue // a recorded one stays as it is
		}
		if was, recorded := recordedIsolation(p.known, id); recorded {
			p.keepIsolated(edge, was)
			continue
		}
		if !p.in.Isolate && !(edge.Allowed && p.record.Rungs && p.rules.Isolate.on()) {
			continue
		}
		if why := p.unisolable(edge); why != "" {
			p.expose(record.IsolationNotAllowed, "%s is not isolated: %s", id, why)
			continue
		}
		p.shutEdge(edge, edge.ACL, p.seen.Edges.Ready(edge.VPC))
	}
}

func (p *planner) shutEdge(edge network.Edge, before, after string) {
	r := record.IsolationOf(edge.Subnet, before, after)
	r.At = edge.Association
	if s := p.replace(r); s.State == record.Failed {
		p.expose(record.IsolationNotAllowed, "%s is not isolated: %s", edge.Subnet, s.Note)
	}
}

// keepIsolated plans that an isolation stays, and says what lessens it. Neither another
// interface nor an entry in the ACL is a reason to open the subnet.
func (p *planner) keepIsolated(edge network.Edge, was record.Replacement) {
	acl := first(was.After)
	if bare := p.seen.Edges.ACLs[acl].Bare(); !bare {
		if ready := p.seen.Edges.Ready(edge.VPC); ready != "" {
			acl = ready
		} else {
			p.expose(record.IsolationNotAllowed, "%s, which isolates %s, has an entry or is gone: somebody has changed it", acl, edge.Subnet)
		}
	}
	p.shutEdge(edge, first(was.Before), acl)
	if others := p.others(edge); len(others) > 0 {
		p.expose(record.SubnetShared, "%s is isolated, and %s is in it too: it has no network beyond the subnet", edge.Subnet, some(others))
	}
}

// unisolable is why a subnet can't be isolated; empty: it can.
func (p *planner) unisolable(edge network.Edge) string {
	var several []string
	for _, i := range p.seen.Interfaces {
		if len(i.Associated) > 0 && (i.Subnet == edge.Subnet || slices.Contains(i.Associated, edge.Subnet)) {
			several = append(several, i.ID)
		}
	}
	others := p.others(edge)
	switch {
	case !edge.Allowed:
		return "its owner's tag " + network.IsolateTag + "=" + network.IsolateValue + " is missing"
	case edge.Account != p.seen.Instance.Account:
		return "it belongs to account " + edge.Account
	case len(others) > 0:
		return some(others) + " is in it too"
	case len(several) > 0:
		return some(several) + " is associated with several subnets"
	case p.seen.Edges.Isolates(edge.ACL):
		return edge.ACL + " stands before it already, and no record says what did before"
	case p.seen.Edges.Ready(edge.VPC) == "":
		return "its VPC has no isolation ACL without entries; the next reconcile makes one where there is none, and isolates then"
	}
	return ""
}

// others are the interfaces behind an edge that are not the instance's.
func (p *planner) others(edge network.Edge) []string {
	return slices.DeleteFunc(slices.Clone(edge.Interfaces), p.seen.Contains)
}

// some names a few of many.
func some(all []string) string {
	const shown = 3
	if len(all) <= shown {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), len(all)-shown)
}

func edgeACL(seen network.Network, r record.Replacement) ([]string, bool) {
	edge, there := seen.Edges.Of[r.Resource]
	return []string{edge.ACL}, there
}

// opened says what may revive when a subnet is not isolated any more.
func (p *releasePlanner) opened(r record.Replacement) {
	until := p.was.Contained.Add(p.tracking())
	if p.was.Contained.IsZero() || until.After(p.terms.Now) {
		if p.was.Contained.IsZero() {
			until = p.terms.Now.Add(p.tracking())
		}
		p.revived = append(p.revived, record.Exposure{Kind: record.MayRevive, Detail: fmt.Sprintf(
			"%s is not isolated any more: a connection that stood before may revive until %s, unless its peer is denied", r.Resource, record.Clock(until))})
	}
}
