package guardduty

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The types of action that name a peer, and those that are known not to.
const (
	networkConnection = "NETWORK_CONNECTION"
	portProbe         = "PORT_PROBE"
)

var peerlessActions = []string{"DNS_REQUEST", "AWS_API_CALL", "KUBERNETES_API_CALL", "RDS_LOGIN_ATTEMPT"}

// maxProbes is how many port probes are looked at. An event of 1 MiB, the most that
// EventBridge delivers, has room for fewer.
const maxProbes = 20_000

// peers lists the peers of an action. It goes by the blocks that are filled and
// not by the action's type, which GuardDuty leaves open to new values. It notes
// what the type announces and the action lacks.
func (w wireAction) peers(at string, unread *notes) *peerSet {
	set := new(peerSet)
	w.addConnection(set, within(at, "networkConnectionAction"), unread)
	w.addProbes(set, within(at, "portProbeAction"), unread)
	what := strings.ToUpper(w.ActionType.s)
	if set.empty() && what != "" && what != networkConnection && what != portProbe && !slices.Contains(peerlessActions, what) {
		unread.add(within(at, "actionType"))
	}
	return set
}

func (w wireAction) addConnection(set *peerSet, at string, unread *notes) {
	block, c := w.NetworkConnectionAction, w.NetworkConnectionAction.V
	switch {
	case !block.given && strings.EqualFold(w.ActionType.s, networkConnection):
		unread.add(at)
	case block.given && c.RemoteIPDetails.V.empty():
		unread.add(within(at, "remoteIpDetails"))
	}
	for _, addr := range c.RemoteIPDetails.V.addresses() {
		set.add(addr, Peer{
			Direction:  directionOf(c.ConnectionDirection),
			Protocol:   c.Protocol.clean(maxWord),
			LocalPort:  c.LocalPortDetails.V.Port.number(),
			RemotePort: c.RemotePortDetails.V.Port.number(),
			Interface:  c.LocalNetworkInterface.clean(maxWord),
		})
	}
}

func (w wireAction) addProbes(set *peerSet, at string, unread *notes) {
	at = within(at, "portProbeDetails")
	total := count(w.PortProbeAction.V.PortProbeDetails)
	eachElement(w.PortProbeAction.V.PortProbeDetails, func(n int, dec *json.Decoder) bool {
		if n >= maxProbes {
			return false
		}
		var probe object[wireProbe]
		if dec.Decode(&probe) != nil {
			return true
		}
		here := fmt.Sprintf("%s[%d]", at, n)
		unread.inspect(here, &probe)
		if probe.given && probe.V.RemoteIPDetails.V.empty() {
			unread.add(within(here, "remoteIpDetails"))
		}
		for _, addr := range probe.V.RemoteIPDetails.V.addresses() {
			set.add(addr, Peer{Direction: Inbound, LocalPort: probe.V.LocalPortDetails.V.Port.number()})
		}
		return true
	})
	set.omitted += max(0, total-maxProbes)
	if total == 0 && (w.PortProbeAction.given || strings.EqualFold(w.ActionType.s, portProbe)) {
		unread.add(at)
	}
}

func directionOf(s scalar) Direction {
	switch strings.ToUpper(s.s) {
	case "INBOUND":
		return Inbound
	case "OUTBOUND":
		return Outbound
	default:
		return UnknownDirection
	}
}

// A peerSet collects peers in order, each once and maxPeers of them at most.
type peerSet struct {
	peers      []Peer
	unreadable []string
	omitted    int // how many more were given
	seen       map[Peer]bool
}

// with is the instance with its peers.
func (i Instance) with(set *peerSet) Instance {
	i.Peers, i.UnreadablePeers, i.OmittedPeers = set.peers, set.unreadable, set.omitted
	return i
}

// add adds a peer with the given address, or what stands in the address's place.
func (s *peerSet) add(addr scalar, p Peer) {
	if addr.absent() {
		return
	}
	var ok bool
	if p.Addr, ok = parseAddr(addr); ok {
		s.addPeer(p)
		return
	}
	text := addr.clean(maxUnreadable)
	if addr.unreadable() {
		text = "(not a string)"
	}
	if !slices.Contains(s.unreadable, text) && s.room() {
		s.unreadable = append(s.unreadable, text)
	}
}

// few peers are found faster by looking at each.
const few = 16

func (s *peerSet) addPeer(p Peer) {
	switch {
	case len(s.peers) < few:
		if slices.Contains(s.peers, p) {
			return
		}
	case s.seen == nil:
		s.seen = make(map[Peer]bool)
		for _, known := range s.peers {
			s.seen[known] = true
		}
		fallthrough
	default:
		if s.seen[p] {
			return
		}
	}
	if !s.room() {
		return
	}
	s.peers = append(s.peers, p)
	if s.seen != nil {
		s.seen[p] = true
	}
}

// room reports whether one more has room, and counts it when it has none.
func (s *peerSet) room() bool {
	if len(s.peers)+len(s.unreadable) < maxPeers {
		return true
	}
	s.omitted++
	return false
}

// join adds what another set holds and this one is known not to.
func (s *peerSet) join(other peerSet) {
	s.peers = append(s.peers, other.peers...)
	s.unreadable = append(s.unreadable, other.unreadable...)
}

func (s *peerSet) empty() bool { return len(s.peers)+len(s.unreadable) == 0 }
