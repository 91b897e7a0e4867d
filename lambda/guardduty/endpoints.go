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

// endpointSide goes by the source of the signal. A signal that is a finding goes by the type of
// that finding.
func (s signal) endpointSide() side {
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

// A remote is an endpoint that has an address, or several endpoints that are the same.
type remote struct {
	peerSet   // holds the one
	direction Direction
	place     int // of the first in the sequence's list
}

// ties holds which endpoints are peers of which resources.
type ties struct {
	remotes []remote
	of      map[string]endpointSet // by the name of a resource
	calling endpointSet            // those that a signal names as callers
	other   endpointSet            // those that a signal names otherwise, or no signal
	used    endpointSet            // those that have become a peer
}

// tie reads the endpoints and the signals that tie them to resources.
//
// An endpoint that a signal names as the remote side is a peer. There is one exception:
// an endpoint without a connection that another signal names as a caller. When a signal
// says neither, an endpoint is a peer only if the resource has connected to it, since
// nothing connects to a caller.
func (s sequence) tie(here string, unread *notes) *ties {
	remotes, named := s.remotes()
	t := &ties{remotes: remotes, of: make(map[string]endpointSet)}
	ids := make([]endpointSet, len(s.Signals.Items))
	var mentioned endpointSet
	for n, sig := range s.Signals.Items {
		for k, id := range sig.V.EndpointIDs.Items {
			known, ok := named[id.s]
			if !ok && sig.V.endpointSide() != callerSide {
				unread.add(fmt.Sprintf("%s.signals[%d].endpointIds[%d]", here, n, k))
			}
			ids[n] = ids[n].or(known)
		}
		mentioned = mentioned.or(ids[n])
		if sig.V.endpointSide() == callerSide {
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
		peers := t.peersAmong(ids[n], sig.V.endpointSide())
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
func (t *ties) peersAmong(ids endpointSet, where side) endpointSet {
	var peers endpointSet
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
	var of endpointSet
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
// the id of an endpoint names. A domain is not a peer.
func (s sequence) remotes() (remotes []remote, named map[string]endpointSet) {
	named = make(map[string]endpointSet)
	places := make(map[string]int)
	for n, e := range s.Endpoints.Items {
		one := remote{direction: directionOf(e.V.Connection.V.Direction), place: n}
		one.add(e.V.IP, Peer{Direction: one.direction, RemotePort: e.V.Port.number()})
		if one.empty() {
			named[e.V.ID.s] = named[e.V.ID.s].or(endpointSet{})
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

// An endpointSet holds endpoints by their place in the sequence. Signals may tie
// every endpoint to every resource, again and again.
type endpointSet [maxList/64 + 1]uint64

func (e endpointSet) with(n int) endpointSet {
	e[n/64] |= 1 << (n % 64)
	return e
}

func (e endpointSet) or(more endpointSet) endpointSet {
	for i := range e {
		e[i] |= more[i]
	}
	return e
}

func (e endpointSet) has(n int) bool { return e[n/64]&(1<<(n%64)) != 0 }

func (e endpointSet) size() int {
	n := 0
	for _, word := range e {
		n += bits.OnesCount64(word)
	}
	return n
}
