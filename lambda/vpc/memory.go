package vpc

import (
	"net/netip"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/network"
)

// Memory is what a client remembers of its reads, so that the next incident in the same
// process does not ask again.
//
// A subnet keeps its IPv4 range and its VPC for as long as it exists. That it gets an
// IPv6 range or DNS64 meanwhile is seen placesAge later: until then a peer in that range
// may be denied though no ACL filters it, which harms nobody.
//
// An address may get another owner within ownersAge. If a load balancer or a gateway gets
// one that a finding has just named, it is denied; if it loses one, the peer is denied
// with the next look. AWS does not hand out a released public address that soon.
//
// A quarantine group that was empty groupsAge ago is believed to be so of interfaces that
// are in it already, while EC2 throttles. Before a swap it is always looked at.
type memory struct {
	subnets cache[string, network.Subnet]
	ranges  cache[string, []netip.Prefix]               // by VPC
	owners  cache[netip.Addr, []types.NetworkInterface] // none where nobody here has the address
	groups  cache[string, map[string][]network.Quarantined]
}

const (
	placesAge = 5 * time.Minute
	ownersAge = time.Minute
	groupsAge = 10 * time.Second
)

func newMemory() *memory {
	return &memory{
		subnets: cache[string, network.Subnet]{age: placesAge},
		ranges:  cache[string, []netip.Prefix]{age: placesAge},
		owners:  cache[netip.Addr, []types.NetworkInterface]{age: ownersAge},
		groups:  cache[string, map[string][]network.Quarantined]{age: groupsAge},
	}
}

// A cache keeps values for some time.
type cache[K comparable, V any] struct {
	age time.Duration

	mu   sync.Mutex
	kept map[K]kept[V]
}

type kept[V any] struct {
	value V
	until time.Time
}

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[key]
	if !ok || !time.Now().Before(k.until) {
		return value, false
	}
	return k.value, true
}

// maxKept bounds a cache: far more than one process meets within the ages above.
const maxKept = 10_000

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || len(c.kept) >= maxKept {
		c.kept = map[K]kept[V]{}
	}
	c.kept[key] = kept[V]{value, time.Now().Add(c.age)}
}
