package scene

import (
	"fmt"
	"regexp"
	"strings"

	"tourniquet/lambda/simvpc/world"
)

// id gives what a finding names an ID in the form of EC2's. A sample has names
// such as GeneratedFindingSubnetId0, a test event sentences. Within tells apart
// what has one name in several places, which EC2 never has: a group in two VPCs.
// The same name within the same place always gets the same ID.
func (b *builder) id(prefix, name, within string) string {
	key := prefix + "\x00" + name + "\x00" + within
	if id := b.ids[key]; id != "" {
		return id
	}
	shaped := shapedID(prefix, name)
	id := shaped
	for n := 2; b.used[id]; n++ {
		id = fmt.Sprintf("%s-%d", shaped, n)
	}
	if !strings.EqualFold(id, name) && !strings.EqualFold(id, prefix+name) && !strings.HasPrefix(name, prefix+"drill") {
		b.note("%q is rehearsed as %s", name, id)
	}
	b.ids[key], b.used[id] = id, true
	return id
}

// longestID leaves room for a number behind it.
const longestID = 48

// shapedID gives a name the form of EC2's IDs: the prefix, then small letters,
// digits and hyphens.
func shapedID(prefix, name string) string {
	if world.ValidID(name, prefix) && len(name) <= longestID {
		return name
	}
	var rest strings.Builder
	for _, r := range strings.ToLower(strings.TrimPrefix(name, prefix)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			rest.WriteRune(r)
		case rest.Len() > 0 && !strings.HasSuffix(rest.String(), "-"):
			rest.WriteByte('-')
		}
	}
	id := prefix + rest.String()
	if rest.Len() == 0 {
		id = prefix + "drill"
	}
	return strings.TrimRight(id[:min(len(id), longestID)], "-")
}

// region is the form of a Region's name.
var region = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)

// protocols are the names that GuardDuty has for protocols, which are IANA's, of
// those that world doesn't know by name
// (https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml).
var protocols = map[string]world.Protocol{
	"igmp": 2, "ipip": 4, "ipv4": 4, "egp": 8, "igp": 9, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
	"icmp6": world.ICMPv6, "ipv6-icmp": world.ICMPv6, "eigrp": 88, "ospf": 89, "ospfigp": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
}

// named is the protocol that a finding names, by name or number. Without a name it
// is TCP.
func named(name string) (proto world.Protocol, known bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return world.TCP, true
	}
	if proto, known = protocols[name]; known {
		return proto, true
	}
	proto, err := world.ParseProtocol(name)
	if err != nil || proto == world.All {
		return world.TCP, false
	}
	return proto, true
}
