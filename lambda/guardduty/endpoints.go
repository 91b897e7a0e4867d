package guardduty

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// endpoint is an address seen in an attack sequence. It is the remote side of an
// instance's connection, or an API caller's.
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_NetworkEndpoint.html
type endpoint struct {
	ID         scalar             `json:"id"`
	IP         scalar             `json:"ip"`
	Port       port               `json:"port"`
	Connection object[connection] `json:"connection"`
}

type connection struct {
	Direction scalar `json:"direction"`
}

// signal is one observation. Security Hub names its resources "ResourceIds".
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Signal.html
type signal struct {
	Type         scalar       `json:"type"`
	Name         scalar       `json:"name"` // of a signal that is a finding: the finding's type
	ResourceUIDs list[scalar] `json:"resourceUids"`
	ResourceIDs  list[scalar] `json:"resourceIds"`
	EndpointIDs  list[scalar] `json:"endpointIds"`
}

// A side says on which side of its resources a signal's endpoints are.
type side uint8

const (
	eitherSide side = iota // remote sides or callers: the signal doesn't say
	remoteSide             // remote sides of the resources' connections
	callerSide             // callers of AWS, Kubernetes or a database, who talk to no instance
)

// side goes by the source of the signal. A signal that is a finding goes by the type of
// that finding.
func (s signal) side() side {
	switch strings.ToUpper(s.Type.s) {
	case "CLOUD_TRAIL", "S3_DATA_EVENTS", "EKS_AUDIT_LOGS":
		return callerSide
	case "FLOW_LOGS", "RUNTIME_MONITORING":
		return remoteSide
	case "FINDING":
		return sideOf(s.Name.s)
	default:
		return eitherSide
	}
}

func sideOf(findingType string) side {
	known, _ := LookUp(findingType)
	switch known.Peers {
	case fromConnection, fromProbes, ifConnected:
		return remoteSide
	case noneCaller, noneAPI:
		return callerSide
	}
	_, rest, _ := strings.Cut(findingType, ":")
	switch resource, _, _ := strings.Cut(rest, "/"); resource {
	case "IAMUser", "S3", "Kubernetes", "EKS", "RDS":
		return callerSide
	default:
		return eitherSide
	}
}

// A remote is an endpoint, or several that are the same.
type remote struct {
	peerSet   // of one
	direction Direction
	place     int // of the first in the sequence's list
}

// ties says which endpoints are peers of which resources.
type ties struct {
	remotes []remote
	of      map[string]endpoints // by the name of a resource
	calling endpoints            // those that a signal names as callers
	other   endpoints            // those that a signal names otherwise, or no signal
	used    endpoints            // those that have become a peer
}

// ties reads the endpoints and the signals that tie them to resources. An endpoint is a
// peer when a signal names it as the remote side. If the endpoint has no connection and
// another signal names it as a caller, it isn't. When a signal doesn't say, only an
// endpoint that the resource has connected to is a peer: a caller is never that.
func (s sequence) ties(here string, unread *notes) *ties {
	remotes, named := s.remotes()
	t := &ties{remotes: remotes, of: make(map[string]endpoints)}
	ids := make([]endpoints, len(s.Signals.Items))
	var mentioned endpoints
	for n, sig := range s.Signals.Items {
		for k, id := range sig.V.EndpointIDs.Items {
			known, ok := named[id.s]
			if !ok && sig.V.side() != callerSide {
				unread.add(fmt.Sprintf("%s.signals[%d].endpointIds[%d]", here, n, k))
			}
			ids[n] = ids[n].or(known)
		}
		mentioned = mentioned.or(ids[n])
		if sig.V.side() == callerSide {
			t.calling = t.calling.or(ids[n])
		} else {
			t.other = t.other.or(ids[n])
		}
	}
	for n := range remotes {
		if !mentioned.has(n) {
			t.other = t.other.with(n)
		}
	}
	for n, sig := range s.Signals.Items {
		peers := t.peersAmong(ids[n], sig.V.side())
		for _, uids := range [][]scalar{sig.V.ResourceUIDs.Items, sig.V.ResourceIDs.Items} {
			for _, uid := range uids {
				name := resourceName(uid)
				t.of[name] = t.of[name].or(peers)
			}
		}
	}
	return t
}

// peersAmong picks the endpoints of a signal that are peers of its resources.
func (t *ties) peersAmong(ids endpoints, where side) endpoints {
	var peers endpoints
	for n, r := range t.remotes {
		switch {
		case !ids.has(n) || where == callerSide:
		case where == eitherSide && r.direction != Outbound:
		case r.direction == UnknownDirection && t.calling.has(n):
		default:
			peers = peers.with(n)
		}
	}
	return peers
}

// peers lists the peers of what has the given names.
func (t *ties) peers(names []string) *peerSet {
	var of endpoints
	for _, name := range names {
		of = of.or(t.of[name])
	}
	t.used = t.used.or(of)
	set := &peerSet{peers: slices.Grow([]Peer(nil), of.size())}
	for n, r := range t.remotes {
		if of.has(n) {
			set.join(r.peerSet)
		}
	}
	return set
}

// noteUntied notes the endpoints that have become no instance's peer, though they may be
// more than callers.
func (t *ties) noteUntied(here string, unread *notes) {
	for n, r := range t.remotes {
		if t.other.has(n) && !t.used.has(n) {
			unread.add(fmt.Sprintf("%s.endpoints[%d]", here, r.place))
		}
	}
}

// remotes lists the endpoints that have an address, each once, and says which of them
// the id of an endpoint names. A domain is no peer.
func (s sequence) remotes() (remotes []remote, named map[string]endpoints) {
	named = make(map[string]endpoints)
	places := make(map[string]int)
	for n, e := range s.Endpoints.Items {
		one := remote{direction: direction(e.V.Connection.V.Direction), place: n}
		one.add(e.V.IP, Peer{Direction: one.direction, RemotePort: e.V.Port.number()})
		if one.empty() {
			named[e.V.ID.s] = named[e.V.ID.s].or(endpoints{})
			continue
		}
		what := fmt.Sprint(one.peers, one.unreadable)
		at, known := places[what]
		if !known {
			at = len(remotes)
			places[what] = at
			remotes = append(remotes, one)
		}
		named[e.V.ID.s] = named[e.V.ID.s].with(at)
	}
	return remotes, named
}

// endpoints is a set of endpoints by their place in the sequence. Signals may tie
// every endpoint to every resource, again and again.
type endpoints [maxList/64 + 1]uint64

func (e endpoints) with(n int) endpoints {
	e[n/64] |= 1 << (n % 64)
	return e
}

func (e endpoints) or(more endpoints) endpoints {
	for i := range e {
		e[i] |= more[i]
	}
	return e
}

func (e endpoints) has(n int) bool { return e[n/64]&(1<<(n%64)) != 0 }

func (e endpoints) size() int {
	n := 0
	for _, word := range e {
		n += bits.OnesCount64(word)
	}
	return n
}
