package guardduty

import "strings"

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
	PortProbeDetails []struct {
		LocalPortDetails wirePort `json:"localPortDetails"`
		RemoteIPDetails  wireIP   `json:"remoteIpDetails"`
	} `json:"portProbeDetails"`
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
	for _, probe := range w.PortProbeAction.PortProbeDetails {
		for _, addr := range probe.RemoteIPDetails.addresses() {
			set.add(addr, Peer{
				Direction: Inbound,
				LocalPort: probe.LocalPortDetails.Port.integer(maxPort),
			})
		}
	}
	return set
}

const maxPort = 1<<16 - 1

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

// A peerSet collects peers in order, each once.
type peerSet struct {
	peers      []Peer
	unreadable []string
	seen       map[any]bool // Peer or string
}

// add adds a peer with the given address, or what stands in the address's place.
func (s *peerSet) add(addr scalar, p Peer) {
	if addr.absent() {
		return
	}
	var ok bool
	if p.Addr, ok = parseAddr(addr); ok {
		if s.first(p) {
			s.peers = append(s.peers, p)
		}
		return
	}
	text := addr.clean(maxUnreadable)
	if addr.wrong {
		text = "(not a string)"
	}
	if s.first(text) {
		s.unreadable = append(s.unreadable, text)
	}
}

func (s *peerSet) first(key any) bool {
	if s.seen[key] {
		return false
	}
	if s.seen == nil {
		s.seen = make(map[any]bool)
	}
	s.seen[key] = true
	return true
}

func (s *peerSet) empty() bool { return len(s.peers)+len(s.unreadable) == 0 }
