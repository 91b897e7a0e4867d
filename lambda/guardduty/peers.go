package guardduty

import (
	"encoding/json"
	"slices"
	"strings"
)

// wireAction holds the actions whose remote address is a peer of the instance.
// The remote addresses of the other actions are those of API, Kubernetes or
// database clients, who talk to AWS and not to the instance.
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Action.html
type wireAction struct {
	ActionType              scalar         `json:"actionType"`
	NetworkConnectionAction wireConnection `json:"networkConnectionAction"`
	PortProbeAction         wirePortProbe  `json:"portProbeAction"`
}

type wireConnection struct {
	ConnectionDirection   scalar   `json:"connectionDirection"`
	Protocol              scalar   `json:"protocol"`
	LocalNetworkInterface scalar   `json:"localNetworkInterface"`
	LocalPortDetails      wirePort `json:"localPortDetails"`
	RemotePortDetails     wirePort `json:"remotePortDetails"`
	RemoteIPDetails       wireIP   `json:"remoteIpDetails"`
}

type wirePortProbe struct {
	PortProbeDetails json.RawMessage `json:"portProbeDetails"` // a list of wireProbe, which may be long
}

type wireProbe struct {
	LocalPortDetails wirePort `json:"localPortDetails"`
	RemoteIPDetails  wireIP   `json:"remoteIpDetails"`
}

type wirePort struct {
	Port scalar `json:"port"`
}

type wireIP struct {
	IPAddressV4 scalar `json:"ipAddressV4"`
	IPAddressV6 scalar `json:"ipAddressV6"`
}

// addresses lists what is given: one of a family, or one of each.
func (w wireIP) addresses() []scalar { return []scalar{w.IPAddressV4, w.IPAddressV6} }

// peers lists the peers of an action. It goes by the blocks that are filled and
// not by the action's type, which GuardDuty leaves open to new values.
func (w wireAction) peers() *peerSet {
	set := new(peerSet)
	c := w.NetworkConnectionAction
	for _, addr := range c.RemoteIPDetails.addresses() {
		set.add(addr, Peer{
			Direction:  direction(c.ConnectionDirection),
			Protocol:   c.Protocol.clean(maxWord),
			LocalPort:  c.LocalPortDetails.Port.integer(maxPort),
			RemotePort: c.RemotePortDetails.Port.integer(maxPort),
			Interface:  c.LocalNetworkInterface.clean(maxWord),
		})
	}
	probes := 0
	for raw := range elements(w.PortProbeAction.PortProbeDetails) {
		if probes++; probes > maxProbes {
			set.omitted++
			continue
		}
		var probe wireProbe
		unmarshal(raw, &probe)
		for _, addr := range probe.RemoteIPDetails.addresses() {
			set.add(addr, Peer{
				Direction: Inbound,
				LocalPort: probe.LocalPortDetails.Port.integer(maxPort),
			})
		}
	}
	return set
}

const (
	maxPort = 1<<16 - 1

	// maxProbes is how many port probes are looked at: more than an event of 1 MiB,
	// the most that EventBridge delivers, has room for.
	maxProbes = 20_000
)

func direction(s scalar) Direction {
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
	omitted    int // what was given beyond
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
	if addr.wrong {
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

// room reports whether there is room for one more; what finds none is counted.
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
