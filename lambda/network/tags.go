package network

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// The tags that Tourniquet sets, and the one by which it finds its groups.
const (
	StatusTag    = "tourniquet:status"          // on a contained instance
	PeersTag     = "tourniquet:peers"           // on one contained without the ledger: addresses, separated by spaces
	OriginalsTag = "tourniquet:original-groups" // on its interfaces: group ids, separated by spaces
	RoleTag      = "tourniquet:role"            // on quarantine groups
	RoleValue    = "quarantine"
	GroupName    = "tourniquet-quarantine"

	// IsolateTag, with IsolateValue, is the owner's on a subnet that may be isolated.
	IsolateTag   = "tourniquet:isolate"
	IsolateValue = "allowed"

	// IsolationRole is the value of RoleTag on network ACLs without entries, which isolate
	// a subnet, and IsolationName their name.
	IsolationRole = "isolation"
	IsolationName = "tourniquet-isolation"

	// ForensicsRole is the role of the owner's groups that a person may admit beside it.
	ForensicsRole = "forensics"

	// ReleaseTag is on groups that a release may put interfaces into, in place of those
	// that they had.
	ReleaseTag = "tourniquet:release-target"
)

// MaxTagValue is how long a tag's value can be.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
const MaxTagValue = 256

// MaxPeerTags bounds the tags that peers are written in: a resource has 50 tags at
// most, its owner's among them.
const MaxPeerTags = 8

// OriginalsTags writes group ids into tags, as many as their length asks for: 16
// groups, the most that an interface can have, don't fit in one value.
func OriginalsTags(groups []string) map[string]string { return listTags(OriginalsTag, groups) }

// OriginalsKeys are the keys of the tags that hold so many groups, sorted.
func OriginalsKeys(groups []string) []string {
	return slices.Sorted(maps.Keys(OriginalsTags(groups)))
}

// PeersTags writes peers into tags, the most important first and as many as fit.
func PeersTags(peers []netip.Addr) map[string]string {
	var texts []string
	for _, a := range peers {
		texts = append(texts, a.String())
	}
	tags := listTags(PeersTag, texts)
	if len(tags) == 0 {
		tags[PeersTag] = "" // says that there was no ledger, if nothing else
	}
	for key := range tags {
		if !slices.Contains(numbered(PeersTag, MaxPeerTags), key) {
			delete(tags, key)
		}
	}
	return tags
}

// listTags writes a list into tags under a key and, where one value is too short
// for it, the keys numbered after it.
func listTags(key string, list []string) map[string]string {
	tags := map[string]string{}
	value, n := "", 1
	for _, s := range list {
		if value != "" && len(value)+1+len(s) > MaxTagValue {
			value, n = "", n+1
		}
		value = strings.TrimSpace(value + " " + s)
		tags[numberedKey(key, n)] = value
	}
	return tags
}

func numberedKey(key string, n int) string {
	if n == 1 {
		return key
	}
	return fmt.Sprintf("%s-%d", key, n)
}

func numbered(key string, n int) []string {
	var keys []string
	for i := range n {
		keys = append(keys, numberedKey(key, i+1))
	}
	return keys
}

// readList reads what listTags has written.
func readList(key string, tags map[string]string) []string {
	var list []string
	for n := 1; ; n++ {
		value, ok := tags[numberedKey(key, n)]
		if !ok {
			return list
		}
		list = append(list, strings.Fields(value)...)
	}
}

// Originals reads the groups that an interface's tags say it had, sorted; none
// when it carries no such tag.
func Originals(tags map[string]string) []string {
	groups := readList(OriginalsTag, tags)
	slices.Sort(groups)
	return groups
}

// PeersOf reads the peers that an instance's tags say were denied without the
// ledger. What is not a valid address is left out.
func PeersOf(tags map[string]string) []netip.Addr {
	var peers []netip.Addr
	for _, s := range readList(PeersTag, tags) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			peers = append(peers, a.Unmap())
		}
	}
	return peers
}

// OurKeys are the keys of the tags that a containment sets on an instance.
func OurKeys(tags map[string]string) []string {
	var keys []string
	for _, key := range append(numbered(PeersTag, MaxPeerTags), StatusTag) {
		if _, ok := tags[key]; ok {
			keys = append(keys, key)
		}
	}
	return keys
}
